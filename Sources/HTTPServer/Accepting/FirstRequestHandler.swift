import Listening
import NIOCore
import NIOHTTP1

/// Stands behind a new connection's HTTP decoder until the first request is there, makes of the connection a WebSocket
/// or one of plain HTTP, and leaves.
///
/// One handler instead of NIO's upgradable pipeline, whose six have to be put in and taken out of every connection:
/// most connections become WebSockets, thousands of them at once when a node has gone.
final class FirstRequestHandler: ChannelInboundHandler, RemovableChannelHandler {
    /// Requests' parts; and, once the decoder leaves, the bytes that it has not read. NIO can't tell them apart but so.
    typealias InboundIn = Any
    typealias OutboundOut = ByteBuffer

    private enum State {
        case awaitingHead
        /// The head was that of a handshake; its body, if it has one, means nothing.
        case awaitingEnd(AcceptedHandshake)
        /// Decided. The decoder, and this handler after it, are leaving.
        case upgraded
        case plain
        /// Answered as no HTTP; the peer has what is left of its time to read that and to close.
        case refused
        case closed
    }

    private let decoder: ByteToMessageHandler<HTTPRequestDecoder>
    private let setup: ConnectionSetup
    private let watch: FirstRequestWatch
    private let connection: AcceptedConnection
    private var state = State.awaitingHead

    /// - Parameters:
    ///   - decoder: the handler in front of this one.
    ///   - setup: what becomes of the connection.
    ///   - watch: that of the connection's event loop.
    ///   - connection: whose it is.
    init(
        decoder: ByteToMessageHandler<HTTPRequestDecoder>, setup: ConnectionSetup, watch: FirstRequestWatch,
        connection: AcceptedConnection
    ) {
        self.decoder = decoder
        self.setup = setup
        self.watch = watch
        self.connection = connection
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) { watch.began(context.channel, at: context.eventLoop.now) }

    func handlerRemoved(context: ChannelHandlerContext) { watch.ended(context.channel) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (state, unwrapInboundIn(data) as? HTTPServerRequestPart) {
        case (.awaitingHead, .head(let head)):
            headReceived(head, context: context)
        case (.awaitingEnd(let handshake), .end):
            upgrade(handshake, context: context)
        case (.upgraded, .some):
            // The decoder went on behind the handshake, as it does behind one without "Connection: Upgrade", which the
            // policy refuses: whatever else makes it do so, no request may reach the session.
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
        refuse(.of(error), context: context)
    }

    // MARK: Decisions

    private var isDecided: Bool {
        switch state {
        case .awaitingHead, .awaitingEnd, .refused: false
        case .upgraded, .plain, .closed: true
        }
    }

    private func headReceived(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        switch setup.rules.verdict(on: head, from: connection) {
        case .upgrade(let handshake):
            do throws(ConnectionRefusal) {
                // A proxy has no limits of its own; the client that it speaks for has.
                if let client = handshake.client, client != connection.address {
                    try connection.enter(context.channel, from: client)
                }
                state = .awaitingEnd(handshake)
            } catch {
                refuse(.of(error), context: context)
            }
        case .serve, .refuse: servePlainly(head, context: context)
        }
    }

    private func refuse(_ refusal: RequestRefusal, context: ChannelHandlerContext) {
        state = .refused
        context.writeAndFlush(wrapOutboundOut(refusal.bytes), promise: nil)
        // Were all of it closed while the peer still sends, its system would throw the answer away.
        context.close(mode: .output, promise: nil)
    }

    private func upgrade(_ handshake: AcceptedHandshake, context: ChannelHandlerContext) {
        state = .upgraded
        do {
            let answer = try WebSocketHandshake.answer(to: handshake, channel: context.channel)
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
            let pipeline = context.pipeline.syncOperations
            try setup.startSession(context.channel, handshake)
            // It leaves at the end of this turn of the loop and gives back what it has not read: the peer's first
            // frames.
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
            try setup.servePlainly(context.channel, connection)
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
