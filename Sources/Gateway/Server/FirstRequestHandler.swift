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
        /// Answered as no HTTP; the peer has what is left of its time to read that and to close.
        case refused
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
        case (.awaitingHead, _), (.awaitingEnd, _), (.refused, _), (.closed, _):
            break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        guard !isDecided else { return }
        let isInputClosed = (event as? ChannelEvent).map { $0 == .inputClosed } ?? false
        if isInputClosed || event is ChannelShouldQuiesceEvent { close(context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isDecided else { return context.fireErrorCaught(error) }
        guard let error = error as? HTTPParserError else { return close(context) }
        // At the end of the peer's bytes the decoder complains once more.
        if case .refused = state { return }
        state = .refused
        context.writeAndFlush(wrapOutboundOut(RequestRefusal.of(error).bytes), promise: nil)
        // Were all of it closed while the peer still sends, its system would throw the answer away.
        context.close(mode: .output, promise: nil)
    }

    // MARK: Decisions

    private var isDecided: Bool {
        switch state {
        case .awaitingHead, .awaitingEnd, .refused: false
        case .upgraded, .plain, .closed: true
        }
    }

    private func headReceived(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        switch gate.rules.verdict(on: head) {
        case .upgrade(let head): state = .awaitingEnd(head)
        case .serve, .refuse: servePlainly(head, context: context)
        }
    }

    private func upgrade(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        state = .upgraded
        do {
            let answer = try WebSocketHandshake.answer(to: head, policy: gate.rules.policy, channel: context.channel)
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

    /// - Parameter head: as it came; plain HTTP judges it by the same rules, as it does later ones.
    private func servePlainly(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        state = .plain
        do {
            try gate.servePlainly(context.channel)
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
}

extension FirstRequestHandler {
    /// What becomes of connections, the same for all of a node.
    struct Gate: Sendable {
        let rules: RequestRules
        /// Puts the session's handlers into a channel that has become a WebSocket, on its event loop.
        let startSession: @Sendable (any Channel) throws -> Void
        /// Puts the handlers of plain HTTP into a channel, on its event loop, and serves its requests by the same
        /// rules.
        let servePlainly: @Sendable (any Channel) throws -> Void

        /// What a request's head may hold. Of what is served here only a cookie that is not ours is longer than a line.
        private static let headLimits: NIOHTTPDecoderLimitConfiguration = {
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = 16 * 1024
            limits.maxHeaderListSize = 64 * 1024
            limits.maxHeaderFieldCount = 128
            return limits
        }()

        /// Puts into a new channel what it needs until its first request is there.
        ///
        /// - Parameter watch: that of the channel's event loop.
        func attend(_ channel: any Channel, watch: FirstRequestWatch) throws {
            let decoder = ByteToMessageHandler(
                HTTPRequestDecoder(
                    leftOverBytesStrategy: .forwardBytes, informationalResponseStrategy: .drop,
                    limitConfiguration: Self.headLimits))
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(decoder)
            try pipeline.addHandler(FirstRequestHandler(decoder: decoder, gate: self, watch: watch))
        }
    }
}
