import BelfryModel
import NIOCore
import NIOEmbedded
import Testing
import WebSocketSupport

@testable import SockJS

/// Sessions over a WebSocket.
@Suite("SockJSWebSocket")
struct SockJSWebSocketTests {
    private let test = TestService()
    private let channel: EmbeddedChannel

    init() throws {
        channel = EmbeddedChannel(loop: test.loop)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try SockJSWebSocket.add(
            to: channel, service: test.service, connection: .init(transport: "sockjs-websocket"), limits: Limits())
    }

    private var application: RecordingApplication { test.applications[0] }

    private func send(_ text: String) throws {
        try channel.writeInbound(ByteBuffer(bytes: ClientFrames.frame(.text, Array(text.utf8))))
    }

    /// The short frames that the server has sent: the text of text frames, the code of Close frames.
    private func sent() throws -> [String] {
        var bytes = ByteBuffer()
        while let more = try channel.readOutbound(as: ByteBuffer.self) { bytes.writeImmutableBuffer(more) }
        var frames: [String] = []
        while let first = bytes.readInteger(as: UInt8.self), let length = bytes.readInteger(as: UInt8.self),
            var payload = bytes.readSlice(length: Int(length))
        {
            let isClose = first & 0xF == 8
            frames.append(isClose ? "close \(payload.readInteger(as: UInt16.self) ?? 0)" : String(buffer: payload))
        }
        return frames
    }

    @Test("It opens, takes arrays and single strings, ignores empty messages, and gives what was flushed in one frame")
    func messages() throws {
        #expect(try sent() == ["o"])
        for text in [#"["a","b"]"#, "", "[]", "\"c\""] { try send(text) }
        #expect(application.messages == ["a", "b", "c"])
        application.transport.append(byteCount: 1, isUTF8: true) { $0.writeString("x") }
        application.send("\"")
        #expect(try sent() == [#"a["x","\""]"#])
    }

    @Test("What is no such JSON ends it without a farewell of SockJS's own", arguments: [#"["a"#, "{}", "[1]"])
    func broken(_ text: String) throws {
        _ = try sent()
        try send(text)
        #expect(try sent() == ["close 1002"])
        #expect(application.messages == [] && application.ends == [.protocolViolation])
    }

    @Test("A close is told in both protocols, behind what was said before") func close() throws {
        _ = try sent()
        application.transport.append(byteCount: 1, isUTF8: true) { $0.writeString("x") }
        application.transport.close(.tokenExpired)
        let frames = try sent()
        #expect(frames.first == "a[\"x\"]" && frames.dropFirst().first?.hasPrefix("c[4002,") == true)
        #expect(frames.last == "close 4002" && frames.count == 3)
        application.send("too late")
        #expect(try sent() == [])
    }

    @Test("Heart-beats come when nothing else does, and none after the end") func heartBeats() throws {
        test.pass(.seconds(20))
        application.send("x")
        _ = try sent()
        test.pass(.seconds(20))
        #expect(try sent() == [])
        test.pass(.seconds(6))
        #expect(try sent() == ["h"])
        _ = try channel.finish(acceptAlreadyClosed: true)
        #expect(application.ends == [.connectionLost] && application.isClosed)
        test.pass(.seconds(60))
        #expect(try sent() == [])
    }

    @Test("In a pause the rest of a message's array waits, before the messages behind it") func pause() throws {
        application.messagesBeforePause = 2
        try send(#"["1","2","3"]"#)
        try send(#"["4"]"#)
        #expect(application.messages == ["1", "2"])
        application.transport.setReading(true)
        #expect(application.messages == ["1", "2", "3", "4"])
    }

    @Test("Two may have the same id, and no id is remembered") func noTable() {
        #expect(test.service.directory.count == 0)
    }
}
