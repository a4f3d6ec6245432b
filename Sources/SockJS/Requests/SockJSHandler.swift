import HTTPServer
import Listening
import NIOCore
import NIOHTTP1
import Node

/// Answers the requests of SockJS clients on a connection of plain HTTP, and hands on the others: see
/// `PlainHTTP.init`. A session's frames and its answers to what was sent come from its own event loop.
public final class SockJSHandler: ChannelDuplexHandler {
    public typealias InboundIn = HTTPServerRequestPart
    public typealias InboundOut = HTTPServerRequestPart
    public typealias OutboundIn = HTTPServerResponsePart
    public typealias OutboundOut = HTTPServerResponsePart

    /// Time that the peer has to take what was written last, once its response has ended: a long poll's one frame may
    /// be large, and the line slow.
    private static let takingTimeout = TimeAmount.seconds(60)
    /// The same when its session has ended, as a WebSocket's peer has for the farewell.
    private static let farewellTimeout = TimeAmount.seconds(5)

    private enum State {
        /// The last request was none of ours, or is answered.
        case idle
        case receiving(SockJSRequest)
        /// The messages of a request are on their way to its session.
        case sending
        case answering(ResponseStream, SockJSSession)
    }

    private let services: [SockJSService]
    private let connection: AcceptedConnection
    private var state = State.idle
    private var isGone = false

    /// - Parameter connection: whose requests they are.
    public init(services: [SockJSService], connection: AcceptedConnection) {
        self.services = services
        self.connection = connection
    }

    // MARK: Requests

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), _):
            guard let request = SockJSRequest(head, services: services) else {
                state = .idle
                return context.fireChannelRead(data)
            }
            began(request, context: context)
        case (.body(let bytes), .receiving(var request)):
            // Its bytes are counted twice otherwise, as a copy is made of what two hold.
            state = .idle
            received(bytes, of: &request, context: context)
        case (.end, .receiving(let request)):
            ended(request, context: context)
        case (.body, _), (.end, _):
            // What comes behind an answer that was given before the end goes nowhere: see `RequestMachine`.
            context.fireChannelRead(data)
        }
    }

    private func began(_ request: SockJSRequest, context: ChannelHandlerContext) {
        state = .receiving(request)
        guard let (id, _) = request.sends else { return }
        // Nobody may have us keep what is for no session. The connection ends behind it: ids can't be tried quickly.
        if request.service.directory.session(id, for: request.binding) == nil {
            answer(request, with: .noSession, context: context)
        } else if let length = request.head.headers["content-length"].first.flatMap({ Int($0) }),
            length > request.service.settings.bodyBytesMax
        {
            answer(request, with: .tooLarge, context: context)
        }
    }

    private func received(_ bytes: ByteBuffer, of request: inout SockJSRequest, context: ChannelHandlerContext) {
        if request.sends != nil {
            request.body.writeImmutableBuffer(bytes)
            guard request.body.readableBytes <= request.service.settings.bodyBytesMax else {
                return answer(request, with: .tooLarge, context: context)
            }
        }
        state = .receiving(request)
    }

    private func ended(_ request: SockJSRequest, context: ChannelHandlerContext) {
        guard let resource = request.resource else { return answer(request, with: .notFound, context: context) }
        guard resource.allowed.contains(request.head.method.rawValue) else {
            return answer(request, with: .notAllowed(resource.allowed), context: context)
        }
        if request.head.method == .OPTIONS {
            return answer(request, with: .options(resource.allowed), context: context)
        }
        let settings = request.service.settings
        switch resource {
        case .greeting: answer(request, with: .greeting, context: context)
        case .info:
            let info = SockJSAnswer.info(takesWebSockets: settings.takesWebSockets, needsCookie: settings.usesCookie)
            answer(request, with: info, context: context)
        case .iframe:
            let known = request.head.headers[canonicalForm: "if-none-match"].map(String.init)
            answer(request, with: .iframe(request.service.iframe, known: known), context: context)
        case .rawWebSocket, .session(_, .websocket):
            // One that asks for an upgrade in the right way does not come here.
            answer(
                request, with: settings.takesWebSockets ? .noUpgrade(request.head) : .notFound, context: context)
        case .session(let id, let method):
            if let form = method.form {
                stream(request, form, of: id, context: context)
            } else {
                send(request, method, to: id, context: context)
            }
        }
    }

    // MARK: Requests that send

    private func send(_ request: SockJSRequest, _ method: SockJSMethod, to id: String, context: ChannelHandlerContext) {
        let messages: MessageBatch
        do throws(MessageDecoder.Failure) {
            messages = try request.messages()
        } catch {
            return answer(request, with: .text(.internalServerError, error.text), context: context)
        }
        guard let session = request.service.directory.session(id, for: request.binding) else {
            return answer(request, with: .noSession, context: context)
        }
        state = .sending
        let bound = NIOLoopBound((self, context, request), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        session.send(messages) { outcome in
            @Sendable func finish() {
                let (handler, context, request) = bound.value
                handler.sent(request, method, outcome, context: context)
            }
            if eventLoop.inEventLoop { finish() } else { eventLoop.execute { finish() } }
        }
    }

    private func sent(
        _ request: SockJSRequest, _ method: SockJSMethod, _ outcome: SendQueue.Outcome, context: ChannelHandlerContext
    ) {
        guard case .sending = state else { return }
        switch outcome {
        case .taken: answer(request, with: .sent(method), context: context)
        case .noSession: answer(request, with: .noSession, context: context)
        case .busy: answer(request, with: .busy, context: context)
        }
    }

    // MARK: Requests that are answered by frames

    private func stream(_ request: SockJSRequest, _ form: ResponseForm, of id: String, context: ChannelHandlerContext) {
        var callback = ""
        if form.needsCallback {
            do throws(CallbackName.Failure) {
                callback = try CallbackName.parse(query: request.query)
            } catch {
                return answer(request, with: .text(.internalServerError, error.text), context: context)
            }
        }
        let (service, binding, eventLoop) = (request.service, request.binding, context.eventLoop)
        let place = service.directory.place(id, for: binding) {
            SockJSSession(id: id, binding: binding, service: service, eventLoop: eventLoop)
        }
        switch place {
        case .foreign: answer(request, with: .noSession, context: context)
        case .full: answer(request, with: .full, context: context)
        case .found(let session), .made(let session):
            let channel = context.channel
            let stream = ResponseStream(
                form: form, callback: callback, eventLoop: eventLoop, write: writer(request, context),
                cut: { channel.abort() })
            state = .answering(stream, session)
            writeHead(request, form, callback: callback, context: context)
            let connection = service.connection("sockjs-\(form.rawValue)", of: connection, head: request.head)
            session.answer(stream, of: connection)
        }
    }

    private func writeHead(
        _ request: SockJSRequest, _ form: ResponseForm, callback: String, context: ChannelHandlerContext
    ) {
        context.triggerUserOutboundEvent(OpenEndedAnswer(), promise: nil)
        var headers = request.headers
        headers.add(name: "Content-Type", value: form.contentType)
        let head = HTTPResponseHead(version: request.head.version, status: .ok, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if let prelude = form.prelude(callback: callback) {
            context.write(wrapOutboundOut(.body(.byteBuffer(prelude))), promise: nil)
        }
        context.flush()
    }

    /// What writes a session's frames into the response to a request.
    private func writer(_ request: SockJSRequest, _ context: ChannelHandlerContext) -> ResponseStream.Write {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        return { frame, ending, promise in
            let (handler, context) = bound.value
            handler.write(frame, ending, promise: promise, context: context)
        }
    }

    private func write(
        _ frame: ByteBuffer, _ ending: ResponseStream.Ending, promise: EventLoopPromise<Void>,
        context: ChannelHandlerContext
    ) {
        guard !isGone else { return promise.fail(ChannelError.ioOnClosedChannel) }
        context.write(wrapOutboundOut(.body(.byteBuffer(frame))), promise: promise)
        switch ending {
        case .none: context.flush()
        case .response: endResponse(context, within: Self.takingTimeout)
        case .session: endResponse(context, within: Self.farewellTimeout)
        }
    }

    // MARK: Answers

    private func answer(_ request: SockJSRequest, with answer: SockJSAnswer, context: ChannelHandlerContext) {
        guard !isGone else { return }
        var headers = request.headers
        headers.add(contentsOf: answer.headers)
        if answer.status == .methodNotAllowed { headers.remove(name: "Cache-Control") }
        if answer.status.mayHaveResponseBody {
            headers.add(name: "Content-Length", value: String(answer.body.readableBytes))
        }
        let head = HTTPResponseHead(version: request.head.version, status: answer.status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if answer.body.readableBytes > 0 {
            context.write(wrapOutboundOut(.body(.byteBuffer(answer.body))), promise: nil)
        }
        endResponse(context, within: Self.takingTimeout)
    }

    /// Ends the response that is under way. A peer that does not take it is not waited for for ever.
    private func endResponse(_ context: ChannelHandlerContext, within timeout: TimeAmount) {
        state = .idle
        let promise = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        let timer = context.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        promise.futureResult.whenComplete { _ in timer.cancel() }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: promise)
    }

    // MARK: The connection

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .answering(let stream, let session) = state {
            if event is ChannelShouldQuiesceEvent {
                session.quiesce(stream)
            } else if let event = event as? ChannelEvent, event == .inputClosed {
                // A browser closes both ways at once; so does whoever wants to hear no more.
                ended()
                context.close(promise: nil)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Whoever is behind this handler knows nothing of our answers, and closes what is idle for it.
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch state {
        case .answering, .sending: context.channel.closeFuture.cascade(to: promise)
        case .idle, .receiving: context.close(mode: mode, promise: promise)
        }
    }

    public func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    public func handlerRemoved(context: ChannelHandlerContext) { ended() }

    private func ended() {
        isGone = true
        if case .answering(let stream, let session) = exchange(&state, with: .idle) { session.lost(stream) }
    }
}

extension SockJSRequest {
    /// The session that it sends to, and how.
    fileprivate var sends: (id: String, SockJSMethod)? {
        guard head.method == .POST, case .session(let id, let method) = resource else { return nil }
        return method == .xhrSend || method == .jsonpSend ? (id, method) : nil
    }
}

extension SockJSAnswer {
    /// To a request for a WebSocket that asks for none.
    fileprivate static func noUpgrade(_ head: HTTPRequestHead) -> SockJSAnswer {
        let asksForOne = head.headers["upgrade"].contains { $0.lowercased() == "websocket" }
        return text(
            .badRequest,
            asksForOne ? "\"Connection\" must be \"Upgrade\".\n" : "Can \"Upgrade\" only to \"WebSocket\".\n")
    }
}
