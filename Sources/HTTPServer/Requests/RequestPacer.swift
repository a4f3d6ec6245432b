import DequeModule
import NIOCore
import NIOHTTP1
import Node

/// Lets the requests of a connection of plain HTTP pass one at a time: the next when the one before it is answered and
/// the event loop has looked at its other sockets. Whoever sends many at once, and reads the answers or not, neither
/// keeps the loop from others nor fills its memory: meanwhile nothing more is read from the connection.
///
/// Between the decoder and `RequestHandler`.
final class RequestPacer: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// Bytes of one read: what they hold waits here, in thirty times the memory where requests are as short as can be.
    static let readBytes = 1024

    private enum Item {
        case part(HTTPServerRequestPart)
        case error(any Error)
        case event(Any)
    }

    private let turns: TurnQueue
    private var waiting: Deque<Item> = []
    /// A request has passed whose end has not.
    private var isReceiving = false
    /// Its answer has not been written.
    private var isAnswerOwed = false
    private var isTurnAwaited = false
    private var isReadWanted = false
    private var isGone = false

    init(turns: TurnQueue) { self.turns = turns }

    func handlerRemoved(context: ChannelHandlerContext) { isGone = true }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if waiting.isEmpty, passes(part) {
            context.fireChannelRead(data)
        } else {
            waiting.append(.part(part))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if waiting.isEmpty { context.fireErrorCaught(error) } else { waiting.append(.error(error)) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The end of the peer's bytes is behind its requests.
        if !waiting.isEmpty, event is ChannelEvent {
            waiting.append(.event(event))
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func read(context: ChannelHandlerContext) {
        if waiting.isEmpty { context.read() } else { isReadWanted = true }
    }

    /// Whether a part is of the request that is under way, or begins one when none is.
    private func passes(_ part: HTTPServerRequestPart) -> Bool {
        switch part {
        case .head:
            guard !isReceiving, !isAnswerOwed, !isTurnAwaited else { return false }
            (isReceiving, isAnswerOwed) = (true, true)
        case .body: break
        case .end: isReceiving = false
        }
        return true
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
        context.write(data, promise: promise)
        isAnswerOwed = false
        guard !isTurnAwaited else { return }
        isTurnAwaited = true
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        turns.add {
            let (handler, context) = bound.value
            handler.isTurnAwaited = false
            if !handler.isGone { handler.passWaiting(context) }
        }
    }

    private func passWaiting(_ context: ChannelHandlerContext) {
        guard !waiting.isEmpty else { return }
        while let item = waiting.first {
            if case .part(let part) = item, !passes(part) { break }
            waiting.removeFirst()
            switch item {
            case .part(let part): context.fireChannelRead(wrapInboundOut(part))
            case .error(let error): context.fireErrorCaught(error)
            case .event(let event): context.fireUserInboundEventTriggered(event)
            }
        }
        context.fireChannelReadComplete()
        guard waiting.isEmpty, isReadWanted else { return }
        isReadWanted = false
        context.read()
    }
}
