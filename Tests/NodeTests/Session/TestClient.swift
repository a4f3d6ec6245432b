import BelfryModel
import NIOCore
import NIOEmbedded
import NIOWebSocket
import STOMP
import Testing
import WebSocket
import WebSocketSupport

/// The peer of one WebSocket: writes masked frames, reads what the node answers byte by byte.
final class TestClient {
    /// What the node sent.
    enum Received: Equatable {
        case text(String)
        case binary([UInt8])
        case pong([UInt8])
        case close(code: UInt16?, reason: String)
        /// Bytes that are no frame a server may send.
        case garbage([UInt8])
    }

    let node: TestNode
    let channel: NIOAsyncTestingChannel
    private let dam: WriteDam
    private var bytes = ByteBuffer()
    private var decoder = FrameDecoder()
    /// Everything received, in order.
    private(set) var received: [Received] = []
    /// The STOMP frames among it.
    private(set) var frames: [Frame] = []
    private(set) var heartBeats = 0
    private var framesTaken = 0

    init(node: TestNode, channel: NIOAsyncTestingChannel, dam: WriteDam) {
        self.node = node
        self.channel = channel
        self.dam = dam
    }

    // MARK: Sending

    func write(_ bytes: [UInt8]) async throws {
        try await channel.writeInbound(ByteBuffer(bytes: bytes))
    }

    func send(_ text: String, fin: Bool = true) async throws {
        try await write(ClientFrames.frame(.text, Array(text.utf8), fin: fin))
    }

    /// Sends the Close that answers the node's, as a peer must.
    func answerClose(_ code: UInt16) async throws {
        try await write(ClientFrames.frame(.connectionClose, [UInt8(code >> 8), UInt8(code & 0xFF)]))
    }

    func subscribe(_ destination: String, id: String = "0", ack: String = "client-individual", headers: String = "")
        async throws
    {
        try await send("SUBSCRIBE\nid:\(id)\ndestination:\(destination)\nack:\(ack)\n\(headers)\n\0")
    }

    func acknowledge(_ message: Frame, receipt: String? = nil) async throws {
        let header = receipt.map { "receipt:\($0)\n" } ?? ""
        try await send("ACK\nid:\(message.headers["ack"] ?? "")\n\(header)\n\0")
    }

    /// Acknowledges and waits for the RECEIPT, which says that the mark is committed.
    func acknowledgeDurably(_ message: Frame) async throws {
        try await acknowledge(message, receipt: "acknowledged")
        _ = try await frame(.receipt)
    }

    /// Ends without a farewell. (The channel's own `finish` would take the loop's timers along.)
    func vanish() async throws {
        if channel.isActive { try await channel.close() }
    }

    // MARK: The peer that does not read

    /// From now on nothing leaves for the peer.
    func stopReading() async throws {
        let dam = dam
        try await node.loop.executeInContext { dam.close() }
        channel.isWritable = false
    }

    func readAgain() async throws {
        channel.isWritable = true
        let (dam, channel) = (dam, channel)
        try await node.loop.executeInContext {
            dam.open()
            channel.pipeline.fireChannelWritabilityChanged()
        }
    }

    // MARK: Receiving

    func read() async throws {
        while var buffer = try await channel.readOutbound(as: ByteBuffer.self) { bytes.writeBuffer(&buffer) }
        while let message = Self.parse(&bytes) {
            received.append(message)
            switch message {
            case .text(let text): try decode(Array(text.utf8))
            case .binary(let data): try decode(data)
            case .pong, .close, .garbage: break
            }
        }
    }

    private func decode(_ data: [UInt8]) throws {
        var data = ByteBuffer(bytes: data)
        decoder.feed(&data)
        while let event = try decoder.next() {
            switch event {
            case .frame(let frame): frames.append(frame)
            case .heartBeat: heartBeats += 1
            }
        }
    }

    private static func parse(_ bytes: inout ByteBuffer) -> Received? {
        var rest = bytes
        guard let first: UInt8 = rest.readInteger(), let second: UInt8 = rest.readInteger() else { return nil }
        // A server sends whole frames, without a mask.
        guard first & 0xF0 == 0x80, second & 0x80 == 0 else { return garbage(&bytes) }
        var length = Int(second)
        if length == 126 {
            guard let longer: UInt16 = rest.readInteger() else { return nil }
            length = Int(longer)
        } else if length == 127 {
            guard let longer: UInt64 = rest.readInteger() else { return nil }
            length = Int(longer)
        }
        guard let payload = rest.readBytes(length: length) else { return nil }
        bytes = rest
        switch first & 0xF {
        case 0x1:
            guard let text = String(validating: payload, as: UTF8.self) else { return .garbage(payload) }
            return .text(text)
        case 0x2: return .binary(payload)
        case 0x8:
            guard payload.count != 1 else { return .garbage(payload) }
            guard payload.count >= 2 else { return .close(code: nil, reason: "") }
            let code = UInt16(payload[0]) << 8 | UInt16(payload[1])
            return .close(code: code, reason: String(decoding: payload[2...], as: UTF8.self))
        case 0xA: return .pong(payload)
        default: return .garbage(payload)
        }
    }

    private static func garbage(_ bytes: inout ByteBuffer) -> Received {
        .garbage(bytes.readBytes(length: bytes.readableBytes) ?? [])
    }

    /// The next STOMP frame, which must have this command.
    func frame(_ command: Command, sourceLocation: SourceLocation = #_sourceLocation) async throws -> Frame {
        let frame = try await node.eventually("a \(command.rawValue) frame") {
            try await self.read()
            return self.frames.count > self.framesTaken ? self.frames[self.framesTaken] : nil
        }
        framesTaken += 1
        #expect(frame.command == command, "\(String(buffer: frame.body))", sourceLocation: sourceLocation)
        return frame
    }

    /// The next STOMP frame, which must be this message.
    @discardableResult
    func message(_ id: Int64, sourceLocation: SourceLocation = #_sourceLocation) async throws -> Frame {
        let message = try await frame(.message, sourceLocation: sourceLocation)
        #expect(message.headers["message-id"] == String(id), sourceLocation: sourceLocation)
        return message
    }

    /// Waits for the node's Close frame, which must be the last thing it sends.
    func close(sourceLocation: SourceLocation = #_sourceLocation) async throws -> Received {
        try await node.eventually("a Close frame") {
            try await self.read()
            return self.received.first { if case .close = $0 { true } else { false } }
        }
    }

    /// Waits until the node has closed the connection.
    func closed() async throws {
        _ = try await node.eventually("the end of the connection") { self.channel.isActive ? nil : true }
    }

    /// Asserts that an ERROR frame, then a Close frame with the reason's code, then nothing comes.
    func expectError(_ reason: CloseReason, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let error = try await frame(.error, sourceLocation: sourceLocation)
        #expect(error.headers["message"] == reason.text, sourceLocation: sourceLocation)
        #expect(error.body.readableBytes > 0, sourceLocation: sourceLocation)
        try await expectClose(reason, sourceLocation: sourceLocation)
    }

    func expectClose(_ reason: CloseReason, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let close = try await close(sourceLocation: sourceLocation)
        #expect(close == .close(code: reason.webSocketCode, reason: reason.text), sourceLocation: sourceLocation)
        #expect(received.last == close, sourceLocation: sourceLocation)
        #expect(channel.isActive, "the peer's answer is awaited", sourceLocation: sourceLocation)
        try await answerClose(reason.webSocketCode)
        try await closed()
        try await read()
        #expect(received.last == close, "nothing follows a Close", sourceLocation: sourceLocation)
    }
}
