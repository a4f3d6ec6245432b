import NIOCore
import NIOHTTP1

/// Stands behind a new connection's HTTP decoder until the first request is there, makes of the connection a WebSocket or
/// one of plain HTTP, and leaves.
///
/// One handler instead of NIO's upgradable pipeline, whose six have to be put in and taken out of every connection: most
/// connections become WebSockets, thousands of them at once when a node has gone.
final class FirstRequestHandler: ChannelInboundHandler, RemovableChannelHandler {
    /// Requests' parts; and, once the decoder leaves, the bytes that it has not read. NIO can't tell them apart but so.
    typealias InboundIn = Any
    typealias OutboundOut = ByteBuffer

    private enum State {
        case awaitingHead
        /// The head is that of a handshake; its body, if it has one, means nothing.
        case awaitingEnd(HTTPRequestHead)
        /// Decided. The decoder, and this handler after it, are leaving.
        case upgraded
        case plain
        case closed
    }

    private let decoder: ByteToMessageHandler<HTTPRequestDecoder>
    private let gate: Gate
    private let watch: FirstRequestWatch
    private var state = State.awaitingHead

    /// - Parameters:
    ///   - decoder: the handler in front of this one.
    ///   - gate: what becomes of the connection.
    ///   - watch: that of the connection's event loop.
    init(decoder: ByteToMessageHandler<HTTPRequestDecoder>, gate: Gate, watch: FirstRequestWatch) {
        self.decoder = decoder
        self.gate = gate
        self.watch = watch
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) { watch.began(context.channel, at: .now()) }

    func handlerRemoved(context: ChannelHandlerContext) { watch.ended(context.channel) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (state, unwrapInboundIn(data) as? HTTPServerRequestPart) {
        case (.awaitingHead, .head(let head)):
            headReceived(head, context: context)
        case (.awaitingEnd(let head), .end):
            upgrade(head, context: context)
        case (.upgraded, .some):
            // The decoder went on behind the handshake, as it does behind one without "Connection: Upgrade", which the policy
            // refuses: whatever else makes it do so, no request may reach the session.
            close(context)
        case (.upgraded, nil), (.plain, _):
            context.fireChannelRead(data)
        case (.awaitingHead, _), (.awaitingEnd, _), (.closed, _):
            break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        guard isUndecided else { return }
        let isInputClosed = (event as? ChannelEvent).map { $0 == .inputClosed } ?? false
        if isInputClosed || event is ChannelShouldQuiesceEvent { close(context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard isUndecided else { return context.fireErrorCaught(error) }
        if error is HTTPParserError {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.badRequest)), promise: nil)
        }
        close(context)
    }

    // MARK: Decisions

    private var isUndecided: Bool {
        switch state {
        case .awaitingHead, .awaitingEnd: true
        case .upgraded, .plain, .closed: false
        }
    }

    private func headReceived(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        guard WebSocketHandshake.isAsked(by: head) else { return servePlainly(head, refusal: nil, context: context) }
        if let refusal = gate.policy.refusal(of: head) {
            servePlainly(head, refusal: refusal, context: context)
        } else {
            state = .awaitingEnd(head)
        }
    }

    private func upgrade(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        state = .upgraded
        do {
            let answer = try WebSocketHandshake.answer(to: head, policy: gate.policy, channel: context.channel)
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
            let pipeline = context.pipeline.syncOperations
            try gate.startSession(context.channel)
            // It leaves at the end of this turn of the loop and gives back what it has not read: the peer's first frames.
            pipeline.removeHandler(decoder).assumeIsolated().whenComplete { _ in
                pipeline.removeHandler(context: context, promise: nil)
            }
        } catch {
            close(context)
        }
    }

    private func servePlainly(
        _ head: HTTPRequestHead, refusal: UpgradePolicy.Refusal?, context: ChannelHandlerContext
    ) {
        state = .plain
        do {
            try gate.servePlainly(context.channel, refusal)
            context.fireChannelRead(NIOAny(HTTPServerRequestPart.head(head)))
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        } catch {
            close(context)
        }
    }

    private func close(_ context: ChannelHandlerContext) {
        state = .closed
        context.close(promise: nil)
    }

    /// The answer to bytes that are no HTTP.
    private static let badRequest = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
}

extension FirstRequestHandler {
    /// What becomes of connections, the same for all of a node.
    struct Gate: Sendable {
        let policy: UpgradePolicy
        /// Puts the session's handlers into a channel that has become a WebSocket, on its event loop.
        let startSession: @Sendable (any Channel) throws -> Void
        /// Puts the handlers of plain HTTP into a channel, on its event loop, and serves its requests; the first one is
        /// refused if it was a handshake that the policy does not let in.
        let servePlainly: @Sendable (any Channel, UpgradePolicy.Refusal?) throws -> Void

        /// Puts into a new channel what it needs until its first request is there.
        ///
        /// - Parameter watch: that of the channel's event loop.
        func attend(_ channel: any Channel, watch: FirstRequestWatch) throws {
            let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes))
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(decoder)
            try pipeline.addHandler(FirstRequestHandler(decoder: decoder, gate: self, watch: watch))
        }
    }
}
