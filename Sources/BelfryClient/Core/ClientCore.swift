import BelfryModel
import Logging
import NIOCore
import STOMP

/// What a client does on its event loop: it owns the connection and the machines, and runs their actions.
///
/// Unchecked: its variables are touched on its event loop only.
final class ClientCore: @unchecked Sendable {
    let eventLoop: any EventLoop
    let configuration: BelfryClient.Configuration
    let tokens: TokenExchange
    let budget: ReadingBudget
    private let connector: Result<Connector, BelfryClientError>
    private var link: LinkMachine
    private var connection: ClientConnection?
    private(set) var connectionsMade = 0
    private var pause: Scheduled<Void>?
    private var ended: EventLoopPromise<Void>?
    private var subscriptions = SubscriptionTable()
    private let requests: RequestTable
    private var states = StateBoard()

    /// - Parameter hasFreshTokens: whether the program may give another token later.
    init(url: String, hasFreshTokens: Bool, configuration: BelfryClient.Configuration) {
        let eventLoop = configuration.eventLoopGroup.next()
        self.eventLoop = eventLoop
        self.configuration = configuration
        tokens = TokenExchange(eventLoop: eventLoop, hasFreshTokens: hasFreshTokens)
        budget = ReadingBudget(
            messagesMax: configuration.bufferedMessagesMax, bytesMax: configuration.bufferedBytesMax,
            eventLoop: eventLoop)
        connector = Result { () throws(BelfryClientError) in
            try Connector(ServerAddress(parsing: url), configuration: configuration, eventLoop: eventLoop)
        }
        link = LinkMachine(
            pauseFirst: configuration.retryPauseFirst, pauseMax: configuration.retryPauseMax,
            hasFreshTokens: hasFreshTokens)
        requests = RequestTable(
            eventLoop: eventLoop, timeout: configuration.requestTimeout, requestsMax: configuration.requestsMax,
            budget: budget)
    }

    // MARK: The program

    /// - Returns: the end of the client.
    /// - Throws: `BelfryClientError` with `.alreadyRun`.
    func start() throws -> EventLoopFuture<Void> {
        guard ended == nil else {
            throw BelfryClientError(.alreadyRun, "run() can be called once; make another client.")
        }
        let promise = eventLoop.makePromise(of: Void.self)
        ended = promise
        switch connector {
        case .success:
            set(.connecting)
            run(link.started())
        case .failure(let error): run(link.failed(error))
        }
        return promise.futureResult
    }

    func stop() {
        run(link.stopped())
    }

    /// Ends the pause between two tries.
    func reconnectNow() {
        pause?.cancel()
        run(link.pauseEnded())
    }

    func tokenAnswered(_ answer: Result<String?, any Error>) {
        switch answer {
        case .success(let token):
            if tokens.received() { refresh(token) }
            run(link.tokenReceived(token))
        case .failure(let error):
            tokens.failed()
            run(
                link.tokenFailed(BelfryClientError(.tokenUnavailable, "There is no token: \(error)", underlying: error))
            )
        }
    }

    func watch(_ watcher: AsyncStream<BelfryClient.State>.Continuation) {
        guard let number = states.add(watcher) else { return }
        watcher.onTermination = { _ in
            self.eventLoop.execute { self.states.remove(number) }
        }
    }

    // MARK: Actions of the link

    private func run(_ action: LinkMachine.Action) {
        switch action {
        case .none: break
        case .askForToken: tokens.ask()
        case .open(let token): open(token)
        case .pause(let time, let error, let attempt):
            if attempt == 1 {
                configuration.logger.warning("Belfry is away; it is tried again", metadata: ["error": "\(error)"])
            }
            pause = eventLoop.scheduleTask(in: TimeAmount(time)) { self.run(self.link.pauseEnded()) }
            set(.reconnecting(error, attempt: attempt, retryIn: time))
        case .disconnect: connection?.disconnect()
        case .finish(let error): finish(error)
        }
    }

    private func open(_ token: String?) {
        guard case .success(let connector) = connector else { return }
        connectionsMade += 1
        let connection = ClientConnection(
            number: connectionsMade, address: connector.address, token: token, configuration: configuration,
            budget: budget, eventLoop: eventLoop, delegate: self)
        self.connection = connection
        connector.open(connection)
    }

    private func finish(_ error: BelfryClientError?) {
        pause?.cancel()
        tokens.close()
        requests.closed(error ?? .closed)
        subscriptions.closed(error)
        set(.closed(error))
        if let error { ended?.fail(error) } else { ended?.succeed() }
    }

    private func set(_ state: BelfryClient.State) {
        states.set(state)
    }

    /// A SEND to `/app/auth.refresh`: the session goes on with the new token. What the server does not accept ends it.
    private func refresh(_ token: String?) {
        let request = RequestTable.Request(
            frame: Frame(
                .send, ["destination": "/app/auth.refresh", "Authorization": "Bearer \(token ?? "")"]),
            isCommand: false, isRepeatable: false, isOfConnection: true, isOwn: true)
        ask(request, RequestTable.Ticket()).whenSuccess { self.tokens.sessionLasts($0.headers["expires-in"]) }
    }
}

// MARK: Events of the connection

extension ClientCore: ClientConnectionDelegate {
    func connected(_ headers: Headers, _ connection: ClientConnection) {
        link.connected(at: eventLoop.now)
        tokens.sessionLasts(headers["expires-in"])
        for frame in subscriptions.connected(connection.number) { connection.send(frame) }
        if requests.needsReplies { subscribeToReplies() }
        for frame in requests.connected() { connection.send(frame) }
        let session = BelfryClient.Session(headers)
        configuration.logger.info("Belfry is connected", metadata: ["server": "\(session.server)"])
        set(.connected(session))
    }

    func messageReceived(_ frame: Frame) {
        switch subscriptions.messageReceived(frame) {
        case .done: break
        case .send(let frame): connection?.send(frame)
        case .reply(let frame): requests.replyReceived(frame)
        }
    }

    func receiptReceived(_ receipt: String, _ headers: Headers) {
        subscriptions.receiptReceived(receipt)
        requests.receiptReceived(receipt, headers)
    }

    func ended(_ end: ConnectionEnd, _ connection: ClientConnection) {
        guard self.connection === connection else { return }
        self.connection = nil
        tokens.sessionEnded()
        let isExcused =
            end.receipt.map { receipt in
                requests.refused(receipt, end.error.ofRequest) || subscriptions.refused(receipt, end.error.ofRequest)
            } ?? false
        requests.disconnected()
        subscriptions.disconnected()
        run(link.ended(end, isExcused: isExcused, at: eventLoop.now))
    }
}

// MARK: Subscriptions and requests

extension ClientCore {
    func subscribe(_ subscription: ClientSubscription) {
        guard !link.isClosed else {
            if case .closed(let error) = states.state { subscription.finish(error) }
            return
        }
        if let frame = subscriptions.add(subscription) { connection?.send(frame) }
    }

    func unsubscribe(_ subscription: ClientSubscription) {
        if let frame = subscriptions.remove(subscription) { connection?.send(frame) }
    }

    func acknowledge(_ delivery: DeliveryReference, of subscription: ClientSubscription) {
        switch subscription.acknowledged(delivery) {
        case .send(let ackID): connection?.send(Frame(.ack, ["id": ackID]))
        case .none, .lost: break
        }
    }

    /// - Returns: succeeds when the acknowledgement is durable.
    func acknowledgeDurably(
        _ delivery: DeliveryReference, of subscription: ClientSubscription, _ ticket: RequestTable.Ticket
    ) -> EventLoopFuture<Frame> {
        switch subscription.acknowledged(delivery) {
        case .send(let ackID):
            return ask(
                RequestTable.Request(
                    frame: Frame(.ack, ["id": ackID]), isCommand: false, isRepeatable: false, isOfConnection: true),
                ticket)
        case .none: return eventLoop.makeSucceededFuture(Frame(.receipt))
        case .lost:
            return eventLoop.makeFailedFuture(
                BelfryClientError(
                    .connectionLost,
                    "The connection by which the message came is gone; if it comes again it is acknowledged by itself.")
            )
        }
    }

    func refuse(_ delivery: DeliveryReference, of subscription: ClientSubscription) {
        switch subscription.refused(delivery) {
        case .send(let ackID): connection?.send(Frame(.nack, ["id": ackID]))
        case .none, .lost: break
        }
    }

    func ask(_ request: RequestTable.Request, _ ticket: RequestTable.Ticket) -> EventLoopFuture<Frame> {
        if case .closed(let error) = states.state { return eventLoop.makeFailedFuture(error ?? .closed) }
        return requests.ask(request, ticket) { frame in
            if request.isCommand { subscribeToReplies() }
            connection?.send(frame)
        }
    }

    func cancel(_ ticket: RequestTable.Ticket) {
        requests.cancel(ticket)
    }

    private func subscribeToReplies() {
        if let frame = subscriptions.repliesNeeded() { connection?.send(frame) }
    }
}

extension BelfryClient.Session {
    fileprivate init(_ headers: Headers) {
        id = headers["session"] ?? ""
        server = headers["server"] ?? ""
        user = headers["user-name"] ?? ""
        timeLeft = headers["expires-in"].flatMap { Int64($0) }.map { .milliseconds($0) }
    }
}
