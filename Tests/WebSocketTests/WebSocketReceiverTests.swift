import BelfryModel
import NIOCore
import NIOEmbedded
import NIOWebSocket
import Testing
import WebSocketSupport

@testable import WebSocket

/// What a receiver that is no session is told, and what it may do.
@Suite("WebSocketReceiver")
struct WebSocketReceiverTests {
    /// Notes what it is told, and answers as it is bid.
    private final class Receiver: WebSocketReceiver {
        enum Event: Equatable {
            case message(String, isText: Bool)
            case frame, readCompleted, touched, closed
            case failed(CloseReason)
            case ended(CloseReason)
        }

        let webSocket: WebSocketHandler
        var events: [Event] = []
        /// Frames after which it takes a pause.
        var framesBeforePause = Int.max
        private var assembler = WebSocketMessageAssembler()

        init(_ webSocket: WebSocketHandler) { self.webSocket = webSocket }

        func partReceived(_ part: WebSocketMessagePart) {
            guard let message = assembler.add(part) else { return }
            events.append(.message(String(buffer: message), isText: part.isText))
        }

        func peerIsAlive() {}

        func frameHandled() {
            events.append(.frame)
            framesBeforePause -= 1
            if framesBeforePause == 0 { webSocket.setReading(false) }
        }

        func readCompleted() { events.append(.readCompleted) }
        func becameWritable() {}
        func touch() { events.append(.touched) }

        func fail(_ reason: CloseReason) {
            events.append(.failed(reason))
            webSocket.close(reason)
        }

        func transportEnded(_ reason: CloseReason) { events.append(.ended(reason)) }
        func transportClosed() { events.append(.closed) }
    }

    /// A WebSocket on a channel, its time still.
    private struct Connection {
        let channel = EmbeddedChannel()
        let receiver: Receiver

        init(messageBytesMax: Int = 1_000, atOpen: @escaping (WebSocketHandler) -> Void = { _ in }) throws {
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            var limits = Limits()
            limits.webSocketMessageBytesMax = messageBytesMax
            var receiver: Receiver?
            try channel.pipeline.syncOperations.addHandler(
                WebSocketHandler(limits: limits) { webSocket in
                    let new = Receiver(webSocket)
                    receiver = new
                    atOpen(webSocket)
                    return new
                })
            self.receiver = try #require(receiver)
        }

        func send(_ frames: [UInt8]...) throws {
            try channel.writeInbound(ByteBuffer(bytes: frames.flatMap { $0 }))
        }

        func written() throws -> [UInt8] {
            var bytes: [UInt8] = []
            while let buffer = try channel.readOutbound(as: ByteBuffer.self) {
                bytes += Array(buffer.readableBytesView)
            }
            return bytes
        }
    }

    private static func text(_ text: String, _ opcode: WebSocketOpcode = .text, fin: Bool = true) -> [UInt8] {
        ClientFrames.frame(opcode, Array(text.utf8), fin: fin)
    }

    @Test("Messages come whole, with a control frame between their fragments")
    func messages() throws {
        let connection = try Connection()
        try connection.send(
            Self.text("one"), Self.text("tw", fin: false), ClientFrames.frame(.ping, [1]),
            Self.text("", .continuation, fin: false), Self.text("o", .continuation), Self.text(""),
            ClientFrames.frame(.binary, [0x61]))
        #expect(
            connection.receiver.events == [
                .message("one", isText: true), .frame, .frame, .touched, .frame, .frame,
                .message("two", isText: true), .frame, .message("", isText: true), .frame,
                .message("a", isText: false), .frame, .readCompleted,
            ])
        #expect(try connection.written() == [], "the receiver says when to flush")
        connection.receiver.webSocket.flush(written: nil)
        #expect(try connection.written() == [0x8A, 1, 1])
    }

    @Test("In a pause it is told of nothing, and after it of all that has come")
    func pause() throws {
        let connection = try Connection()
        connection.receiver.framesBeforePause = 1
        try connection.send(Self.text("one"), Self.text("two"))
        try connection.send(Self.text("three"))
        #expect(connection.receiver.events == [.message("one", isText: true), .frame, .readCompleted, .readCompleted])
        connection.receiver.events = []
        connection.receiver.webSocket.setReading(true)
        #expect(
            connection.receiver.events == [
                .message("two", isText: true), .frame, .message("three", isText: true), .frame,
            ])
    }

    @Test("What it appends goes out as a message, and its close as a Close frame with its reason")
    func writes() throws {
        let connection = try Connection()
        connection.receiver.webSocket.append(byteCount: 2, isUTF8: true) { $0.writeString("hi") }
        connection.receiver.webSocket.append(byteCount: 1, isUTF8: false) { $0.writeInteger(UInt8(0xFF)) }
        connection.receiver.webSocket.close(.shuttingDown)
        let reason = Array(CloseReason.shuttingDown.text.utf8)
        #expect(
            try connection.written() == [0x81, 2, 0x68, 0x69, 0x82, 1, 0xFF, 0x88, UInt8(2 + reason.count), 0x03, 0xF4]
                + reason)
        try connection.send(ClientFrames.frame(.connectionClose, [0x03, 0xF4]))
        #expect(!connection.channel.isActive)
    }

    @Test("It may close while it is made")
    func closesAtOpen() throws {
        let connection = try Connection(atOpen: { $0.close(.overloaded) })
        #expect(
            try connection.written().prefix(4) == [0x88, 2 + UInt8(CloseReason.overloaded.text.utf8.count), 3, 0xF5])
    }

    @Test("The end is told once, and that the socket is gone after it, once")
    func ends() throws {
        let closed = try Connection()
        try closed.send(ClientFrames.frame(.connectionClose, [0x03, 0xE8]), Self.text("late"))
        closed.channel.embeddedEventLoop.run()
        #expect(
            closed.receiver.events.filter { $0 != .frame && $0 != .readCompleted } == [
                .ended(.clientDisconnected), .closed,
            ])
        let lost = try Connection()
        try lost.channel.close().wait()
        lost.channel.embeddedEventLoop.run()
        #expect(lost.receiver.events == [.ended(.connectionLost), .closed])
    }

    @Test("A message over the bound fails with its reason, in one frame or in fragments")
    func bound() throws {
        let whole = try Connection(messageBytesMax: 10)
        try whole.send(Self.text("12345678901"))
        #expect(whole.receiver.events.first == .failed(.frameTooLarge))
        let parts = try Connection(messageBytesMax: 10)
        try parts.send(Self.text("123456", fin: false), Self.text("78901", .continuation))
        #expect(parts.receiver.events.contains(.failed(.frameTooLarge)))
        #expect(!parts.receiver.events.contains { if case .message = $0 { true } else { false } })
        #expect(try parts.written().prefix(4).suffix(2) == [0x03, 0xF1])
    }
}
