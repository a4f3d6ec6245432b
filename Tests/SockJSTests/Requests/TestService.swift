import BelfryModel
import HTTPServer
import Listening
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Node
import WebSocket

@testable import SockJS

/// An application that notes what it is told, and a service of it.
final class RecordingApplication: SockJSApplication {
    let transport: any SockJSTransport
    let connection: ClientConnection
    var messages: [String] = []
    var ends: [CloseReason] = []
    var failures: [CloseReason] = []
    var isClosed = false
    var writableCount = 0
    var isStranger = true
    /// Messages after which it takes a pause.
    var messagesBeforePause = Int.max

    init(_ transport: any SockJSTransport, _ connection: ClientConnection) {
        (self.transport, self.connection) = (transport, connection)
    }

    func send(_ text: String, written: (@Sendable () -> Void)? = nil) {
        transport.append(byteCount: text.utf8.count, isUTF8: true) { $0.writeString(text) }
        transport.flush(written: written)
    }

    func partReceived(_ part: WebSocketMessagePart) { messages.append(String(buffer: part.bytes)) }
    func frameHandled() {
        messagesBeforePause -= 1
        if messagesBeforePause == 0 { transport.setReading(false) }
    }
    func peerIsAlive() {}
    func readCompleted() {}
    func becameWritable() { writableCount += 1 }
    func touch() {}
    func fail(_ reason: CloseReason) {
        failures.append(reason)
        transport.close(reason)
    }
    func transportEnded(_ reason: CloseReason) { ends.append(reason) }
    func transportClosed() { isClosed = true }
}

/// A service on an event loop whose time a test moves, and connections to it.
final class TestService {
    let loop = EmbeddedEventLoop()
    let service: SockJSService
    private final class Opened: @unchecked Sendable { var all: [RecordingApplication] = [] }
    private let opened = Opened()

    init(sessionsMax: Int = 1_000, cookie: String = "made", _ change: (inout SockJSSettings) -> Void = { _ in }) {
        var settings = SockJSSettings()
        change(&settings)
        let opened = opened
        service = SockJSService(
            settings: settings, sessionsMax: sessionsMax,
            open: { transport, connection, _ in
                let application = RecordingApplication(transport, connection)
                opened.all.append(application)
                return application
            },
            connection: { transport, _, _ in ClientConnection(transport: transport) }, makeCookie: { cookie })
    }

    var applications: [RecordingApplication] { opened.all }

    func connect() throws -> TestConnection { try TestConnection(service, loop: loop) }

    func pass(_ time: TimeAmount) { loop.advanceTime(by: time) }
}

/// A connection of plain HTTP.
final class TestConnection {
    let channel: EmbeddedChannel
    private let dam = Dam()
    private var sent = ByteBuffer()

    init(_ service: SockJSService, loop: EmbeddedEventLoop) throws {
        channel = EmbeddedChannel(loop: loop)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(dam)
        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder()))
        try pipeline.addHandler(HTTPResponseEncoder())
        try pipeline.addHandler(SockJSHandler(services: [service], connection: AcceptedConnection(address: nil)))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    func send(_ text: String) throws { try channel.writeInbound(ByteBuffer(string: text)) }

    /// Sends a request to `/stomp-ws` and returns what of an answer is there.
    @discardableResult
    func request(
        _ method: String, _ path: String, body: String = "", headers: [String] = [], version: String = "1.1"
    ) throws -> String {
        let lines = ["\(method) /stomp-ws\(path) HTTP/\(version)", "Host: x", "Content-Length: \(body.utf8.count)"]
        try send((lines + headers).joined(separator: "\r\n") + "\r\n\r\n" + body)
        return try read()
    }

    /// What has been sent since the last time.
    func read() throws -> String {
        var text = ""
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }

    /// The peer reads nothing any more; and it does again.
    func stall() { dam.isClosed = true }
    func drain() { dam.open() }

    /// The peer goes away.
    func drop() { dam.drop() }
}

/// Keeps what is written from leaving, like the socket of a peer that does not read.
private final class Dam: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    var isClosed = false
    private var context: ChannelHandlerContext?
    private var held: [(NIOAny, EventLoopPromise<Void>?)] = []

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) {
        for (_, promise) in held { promise?.fail(ChannelError.ioOnClosedChannel) }
        self.context = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if isClosed { held.append((data, promise)) } else { context.write(data, promise: promise) }
    }

    func drop() { context?.close(promise: nil) }

    func open() {
        isClosed = false
        for (data, promise) in exchange(&held, with: []) { context?.write(data, promise: promise) }
        context?.flush()
    }
}
