import NIOCore
import NIOHTTP1

/// At the socket: writes bytes that are no HTTP, past the codec.
final class BytesOutlet: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func write(_ bytes: ByteBuffer) { context?.writeAndFlush(NIOAny(bytes), promise: nil) }
}

/// Reads whole requests, and does with each what it is told.
final class PeerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let decide: @Sendable (HTTPPeer.Request) -> HTTPPeer.Behavior
    private let outlet: BytesOutlet
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(outlet: BytesOutlet, decide: @escaping @Sendable (HTTPPeer.Request) -> HTTPPeer.Behavior) {
        self.outlet = outlet
        self.decide = decide
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.clear()
        case .body(let part): body.writeImmutableBuffer(part)
        case .end:
            guard let head else { return }
            perform(
                decide(
                    HTTPPeer.Request(
                        method: head.method.rawValue, path: head.uri, fields: head.headers.map { ($0.name, $0.value) },
                        body: String(buffer: body))),
                on: context)
        }
    }

    private func perform(_ behavior: HTTPPeer.Behavior, on context: ChannelHandlerContext) {
        switch behavior {
        case .answer(let status, let body, let fields):
            var headers = HTTPHeaders(fields.map { ($0.name, $0.value) })
            headers.add(name: "Content-Length", value: "\(body.utf8.count)")
            write(.head(.init(version: .http1_1, status: .init(statusCode: status), headers: headers)), on: context)
            write(.body(.byteBuffer(ByteBuffer(string: body))), on: context)
            write(.end(nil), on: context)
        case .raw(let text):
            outlet.write(ByteBuffer(string: text))
        case .silence: break
        case .trickle:
            write(.head(.init(version: .http1_1, status: .ok)), on: context)
            repeatBody("{", every: .milliseconds(20), on: context)
        case .flood:
            write(.head(.init(version: .http1_1, status: .ok)), on: context)
            repeatBody(String(repeating: " ", count: 65_536), every: .milliseconds(1), on: context)
        case .hangUp: context.close(promise: nil)
        }
    }

    private func repeatBody(_ text: String, every pause: TimeAmount, on context: ChannelHandlerContext) {
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: pause) { task in
            let (handler, context) = loopBound.value
            guard context.channel.isActive else { return task.cancel() }
            handler.write(.body(.byteBuffer(ByteBuffer(string: text))), on: context)
        }
    }

    private func write(_ part: HTTPServerResponsePart, on context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(part), promise: nil)
    }
}
