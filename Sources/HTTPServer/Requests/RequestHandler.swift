import BelfryModel
import Listening
import NIOCore
import NIOHTTP1

/// Stands between the HTTP decoder and Hummingbird on a connection of plain HTTP: runs the actions of `RequestMachine`,
/// with its times.
final class RequestHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// Time that the peer has to read the last answer and to close. Were the socket closed at once while the peer still
    /// sends, its system would throw the answer away (RFC 9112, section 9.6).
    static let farewellTimeout = TimeAmount.seconds(2)
    /// Bytes of a body that it may still send meanwhile, and nobody wants.
    static let farewellBytesMax = 8 * 1024 * 1024

    private var machine: RequestMachine
    private let requestTimeout: TimeAmount
    private let answerTimeout: TimeAmount
    private let idleTimeout: TimeAmount
    private var wait = RequestMachine.Wait.request
    private var timer: Scheduled<Void>?
    private var farewellBytes = 0

    /// - Parameters:
    ///   - connection: whose requests they are.
    ///   - limits: of them the times for a request, for its answer and between two, and the number of requests.
    init(rules: RequestRules, connection: AcceptedConnection, limits: Limits) {
        machine = RequestMachine(
            rules: rules, connection: connection, requestsMax: limits.requestsPerConnectionMax)
        requestTimeout = TimeAmount(limits.requestTimeout)
        answerTimeout = TimeAmount(limits.answerTimeout)
        idleTimeout = TimeAmount(limits.idleTimeout)
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let intake =
            switch unwrapInboundIn(data) {
            case .head(let head): machine.headReceived(head)
            case .body(let bytes): bodyReceived(bytes, context: context)
            case .end: machine.endReceived()
            }
        switch intake {
        case .pass: context.fireChannelRead(data)
        case .passHead(let head): context.fireChannelRead(wrapInboundOut(.head(head)))
        case .passAndContinue(let head):
            context.writeAndFlush(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
            context.fireChannelRead(wrapInboundOut(.head(head)))
        case .drop: break
        case .refuse(let refusal): refuse(refusal, context: context)
        }
        keepTime(context)
    }

    private func bodyReceived(_ bytes: ByteBuffer, context: ChannelHandlerContext) -> RequestMachine.Intake {
        if machine.isLeaving {
            farewellBytes += bytes.readableBytes
            if farewellBytes > Self.farewellBytesMax { context.close(promise: nil) }
        }
        return machine.bodyReceived()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // Who is behind this handler may have stopped reading, and the peer's end is to be seen.
        if machine.isLeaving { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let parserError = error as? HTTPParserError else { return context.fireErrorCaught(error) }
        fail(machine.requestFailed(.of(parserError)), context: context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            machine.stopRequested()
        } else if machine.isLeaving, let event = event as? ChannelEvent, event == .inputClosed {
            context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // It was answered for, as too slow or as no HTTP.
        guard !machine.isLeaving else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(var head):
            if machine.answerBegan() { head.headers.replaceOrAdd(name: "connection", value: "close") }
            head.headers.replaceOrAdd(name: "date", value: HTTPDate.now)
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            context.write(data, promise: promise)
            run(machine.answerEnded(), context: context)
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is OpenEndedAnswer else {
            return context.triggerUserOutboundEvent(event, promise: promise)
        }
        machine.answerIsOpenEnded()
        keepTime(context)
        promise?.succeed()
    }

    private func run(_ ending: RequestMachine.Ending, context: ChannelHandlerContext) {
        switch ending {
        case .none: break
        case .refuse(let refusal): refuse(refusal, context: context)
        case .sayFarewell: sayFarewell(context)
        case .close: context.close(promise: nil)
        }
        keepTime(context)
    }

    private func refuse(_ refusal: RequestRefusal, context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(refusal.head)), promise: nil)
        if !machine.isHead {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: refusal.text + "\n")))), promise: nil)
        }
        context.write(wrapOutboundOut(.end(nil)), promise: nil)
        sayFarewell(context)
    }

    /// The same for a request that came to no end: whoever reads its body must not take it for complete.
    private func fail(_ ending: RequestMachine.Ending, context: ChannelHandlerContext) {
        if case .none = ending { return }
        context.fireErrorCaught(HTTPParserError.closedConnection)
        run(ending, context: context)
    }

    /// Whoever is behind this handler closes as soon as it has written: the peer has its time nevertheless.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if machine.isLeaving {
            context.channel.closeFuture.cascade(to: promise)
        } else {
            context.close(mode: mode, promise: promise)
        }
    }

    private func sayFarewell(_ context: ChannelHandlerContext) {
        context.flush()
        context.close(mode: .output, promise: nil)
        context.read()
    }

    // MARK: Time

    /// Gives what is waited for now its time, unless it has it already.
    private func keepTime(_ context: ChannelHandlerContext) {
        let now = machine.wait
        guard now != wait else { return }
        wait = now
        timer?.cancel()
        let timeout: TimeAmount? =
            switch now {
            case .request: idleTimeout
            case .end: requestTimeout
            case .answer: answerTimeout
            case .openEnd: nil
            case .farewell: Self.farewellTimeout
            }
        timer = timeout.map { timeout in
            context.eventLoop.assumeIsolated().scheduleTask(in: timeout) { [self] in
                // Who is behind this handler waits for no part of a request between two.
                if case .request = machine.wait { return context.close(promise: nil) }
                fail(machine.timeIsOver(), context: context)
            }
        }
    }
}
