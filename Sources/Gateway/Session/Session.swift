import BelfryModel
import Foundation
import Logging
import NIOCore
import STOMP

/// One client: its STOMP machine, its subscriptions, its transport. Lives on one event loop.
final class Session: @unchecked Sendable {
    /// Where its row in `belfry.session` stands. `uncertain`: the statement that writes it failed, perhaps after the commit.
    enum Registration { case none, requested, written, uncertain }

    /// Bytes waiting for the client above which a backlog pauses.
    private static let backlogBytesMax = 256 * 1024
    /// Bytes waiting for a client that has not said who it is, above which it is not read from.
    private static let strangersBytesMax = 16 * 1024

    let id: String
    let shard: Shard
    let transport: any SessionTransport
    var machine: SessionMachine
    private var decoder: FrameDecoder
    private let encoder = FrameEncoder()
    var heartBeat: HeartBeatMachine?
    let openedAt = NIODeadline.now()
    var expiresAt: NIODeadline?
    var budget = OutboundBudget()

    /// Set once the token was accepted, and kept to the end.
    private(set) var user: String?
    private(set) var deliveries: [UInt32: Delivery] = [:]
    var registration = Registration.none
    /// Where the shard's wheel has it.
    var filedTick: Int?
    /// It takes one of the node's places.
    var isCounted = false
    var isEnded = false
    /// DISCONNECT or an error came: nothing more is sent but what ends the session.
    var isClosing = false
    private var isTouched = false
    private var isPausedForBytes = false
    /// What the client may have done before the others on the loop have their turn.
    private var turn = Turn()
    /// Its turn is over, and the next one has not come.
    private var isTurnOver = false
    /// The transport was told to stop reading: the client's silence says nothing.
    private(set) var isReadingPaused = false
    private var receiptsOwed = 0
    /// Set by DISCONNECT while its receipt waits for marks.
    var disconnectDeadline: NIODeadline?
    private var unflushedDeliveries: [Delivery] = []

    init(shard: Shard, transport: any SessionTransport) {
        self.id = SessionID.make()
        self.shard = shard
        self.transport = transport
        self.machine = SessionMachine(session: id, server: "belfry/\(shard.context.version)", limits: shard.limits)
        self.decoder = FrameDecoder(limits: shard.limits)
    }

    // MARK: From the transport

    func bytesReceived(_ bytes: ByteBuffer) {
        guard !isClosing else { return }
        if decoder.isHeartBeat(bytes) { return }
        var bytes = bytes
        decoder.feed(&bytes)
        decode()
    }

    /// The peer gave a sign of life, STOMP or not.
    func peerIsAlive() { heartBeat?.dataReceived(at: .now()) }

    /// The transport has dealt with one of the peer's frames, whatever it was.
    func frameHandled() {
        if !turn.spend() { endTurn() }
    }

    /// The end of one read of the transport.
    func readCompleted() {
        if !isTurnOver { turn.reset() }
        shard.flushTouched()
    }

    func becameWritable() {
        resumeBacklog()
        pauseOrResumeReading()
    }

    /// The transport has ended without us.
    func transportEnded(_ reason: CloseReason) {
        machine.connectionClosed()
        end(reason)
    }

    /// Deals with what has arrived, as far as the turn reaches; the rest waits for the next.
    private func decode() {
        do throws(FrameError) {
            while !isClosing, !isTurnOver, machine.acceptsFrames, receiptsOwed < shard.limits.receiptsOwedMax {
                guard let event = try decoder.next() else { break }
                if case .frame(let frame) = event { run(machine.frameReceived(frame)) }
                if !turn.spend() { endTurn() }
            }
        } catch {
            run(machine.decodingFailed(error))
        }
        pauseOrResumeReading()
    }

    private func endTurn() {
        guard !isTurnOver else { return }
        isTurnOver = true
        pauseOrResumeReading()
        shard.turns.add {
            self.isTurnOver = false
            self.turn.reset()
            self.decode()
            self.shard.flushTouched()
        }
    }

    /// Reads from the peer, unless something asks for a pause: its turn is over, or it leaves too much of what was written for it
    /// unread, or PostgreSQL is to take its acknowledgements first. Once the session is closing only its farewell is awaited.
    func pauseOrResumeReading() {
        let mayRead =
            !isTurnOver
            && (isClosing
                || machine.acceptsFrames && !shard.isReadingStopped && receiptsOwed < shard.limits.receiptsOwedMax
                    && !isOverfull)
        guard mayRead == isReadingPaused else { return }
        isReadingPaused = !mayRead
        // What it sent meanwhile is still to be read.
        if mayRead { peerIsAlive() }
        transport.setReading(mayRead)
    }

    /// Whether so much waits for the client that it is not read from before it has taken some: before it is known who it is,
    /// nothing but answers to its pings can be waiting.
    private var isOverfull: Bool {
        !transport.isWritable
            && transport.waitingBytes > (user == nil ? Self.strangersBytesMax : shard.limits.outboundBytesMax / 4)
    }

    /// The event loop reads from its clients no longer, or again.
    func loopReadingChanged() { pauseOrResumeReading() }

    // MARK: Actions of the machine

    func run(_ action: SessionAction) {
        switch action {
        case .none: break
        case .authenticate(let request): authenticate(request)
        case .open(let connected, let agreement):
            heartBeat = HeartBeatMachine(agreement, at: .now())
            write(connected)
            shard.wake(self)
        case .reply(let frame): write(frame)
        case .subscribe(let request): subscribe(request)
        case .unsubscribe(let subscription, let receipt): unsubscribe(subscription, receipt: receipt)
        case .acknowledge(let request): acknowledge(request)
        case .refuse(let request): refuse(request)
        case .disconnect(let receipt): disconnect(receipt)
        case .fail(let error, let reason): close(reason, with: error)
        }
    }

    /// Ends the session for a reason of the node's own.
    func fail(_ reason: CloseReason) {
        run(machine.failed(reason, reason.text))
    }

    private func authenticate(_ request: ConnectRequest) {
        do throws(AuthenticationError) {
            let identity = try shard.context.authenticator.authenticate(request.bearerToken ?? "")
            guard shard.context.occupancy.enter(user: identity.user, atMost: shard.limits.sessionsPerUserMax) else {
                return run(
                    machine.authenticationFailed(
                        .tooManySessions,
                        "this user has \(shard.limits.sessionsPerUserMax) sessions on this node already; end one first."
                    ))
            }
            user = identity.user
            expiresAt = identity.expiresAt.map { .now() + .milliseconds(Int64($0.timeIntervalSinceNow * 1_000)) }
            run(machine.authenticated(user: identity.user))
        } catch {
            shard.context.counters.refusedToken(code: error.code.description)
            shard.logger.info(
                "A token was refused", metadata: ["session": "\(id)", "reason": "\(error.detail)"])
            run(machine.authenticationFailed(.unauthorized, error.message))
        }
    }

    private func subscribe(_ request: SubscriptionRequest) {
        guard let user else { return }
        let subscription = request.subscription
        let address = subscription.destination.address(for: user)
        let source: DeliveryMachine.Source =
            switch address {
            case .user: .backlog
            case .topic: .topic(after: request.lastMessageID)
            }
        let delivery = Delivery(
            session: self, subscription: subscription, address: address, source: source, limits: shard.limits)
        delivery.owedReceipt = request.receipt
        deliveries[subscription.number] = delivery
        shard.join(delivery)
    }

    private func unsubscribe(_ subscription: Subscription, receipt: String?) {
        var entries: [AckLedger.Entry] = []
        if let delivery = deliveries.removeValue(forKey: subscription.number) {
            payOwedReceipt(of: delivery)
            if !delivery.isTopic {
                // The session goes on: its row stays, what it had in flight goes back.
                entries = delivery.ledger.drain()
                shard.handBack(entries, of: self)
            }
            shard.leave(delivery)
        }
        sendReceipt(receipt, whenCommitted: entries.map(\.id))
    }

    /// A subscription that ends before its messages flowed still gets the receipt of its SUBSCRIBE.
    private func payOwedReceipt(of delivery: Delivery) {
        if let receipt = delivery.owedReceipt { sendReceipt(receipt) }
        delivery.owedReceipt = nil
    }

    /// The receipt of a frame whose effect is committed with these marks.
    private func sendReceipt(_ receipt: String?, whenCommitted ids: [MessageID]) {
        guard let receipt else { return }
        receiptsOwed += 1
        shard.whenMarksCommitted(ids) { isCommitted in
            self.receiptsOwed -= 1
            guard isCommitted else { return self.fail(.internalError) }
            self.sendReceipt(receipt)
            guard self.receiptsOwed == self.shard.limits.receiptsOwedMax / 2 else { return }
            self.decode()
        }
    }

    private func acknowledge(_ request: AckRequest) {
        var entries: [AckLedger.Entry] = []
        if let delivery = deliveries[request.ackID.subscription] {
            entries = delivery.ledger.acknowledge(request.ackID.message)
            shard.acknowledged(entries, on: delivery)
        }
        sendReceipt(of: request, whenCommitted: entries)
    }

    private func refuse(_ request: AckRequest) {
        var entries: [AckLedger.Entry] = []
        if let delivery = deliveries[request.ackID.subscription] {
            entries = delivery.ledger.refuse(request.ackID.message)
            shard.refused(entries, on: delivery)
        }
        sendReceipt(of: request, whenCommitted: entries)
    }

    /// - Parameter entries: what the frame took out of flight. If nothing, the message was answered before, which may not be
    ///   committed yet.
    private func sendReceipt(of request: AckRequest, whenCommitted entries: [AckLedger.Entry]) {
        sendReceipt(request.receipt, whenCommitted: entries.isEmpty ? [request.ackID.message] : entries.map(\.id))
    }

    /// STOMP 1.2, DISCONNECT: the receipt says that everything before it was done, commits included.
    private func disconnect(_ receipt: Frame?) {
        for delivery in deliveries.values { payOwedReceipt(of: delivery) }
        guard let receipt else { return close(.clientDisconnected, with: nil) }
        isClosing = true
        disconnectDeadline = .now() + TimeAmount(shard.limits.disconnectTimeout)
        shard.wake(self)
        shard.whenMarksCommitted([], user: user) { isCommitted in
            // A mark that was given up was logged; the session ends in any case, without the receipt.
            self.close(.clientDisconnected, with: isCommitted ? receipt : nil)
        }
    }

    func sendReceipt(_ receipt: String) {
        guard !isClosing else { return }
        write(machine.receipt(for: receipt))
    }

    // MARK: To the client

    /// Sends a message on one of the session's subscriptions; it is in flight until it is acknowledged.
    func send(_ message: Message, on delivery: Delivery) {
        guard !isClosing else { return }
        let subscription = delivery.subscription
        let frame = OutgoingMessage(
            subscription: subscription.escapedID, destination: subscription.escapedDestination,
            messageID: message.id, ackID: subscription.ackID(for: message.id),
            redelivered: message.isRedelivered || !delivery.isTopic && shard.wasHandedBack(message),
            headerLines: message.headerLines, body: message.body)
        transport.append(byteCount: frame.byteCount, isText: message.isText) { frame.write(into: &$0) }
        delivery.ledger.append(
            message.id, xid: message.xid, createdAtMicroseconds: message.createdAtMicroseconds)
        delivery.machine.delivered(message.id)
        if subscription.ackMode == .auto {
            if delivery.lastUnflushed == nil { unflushedDeliveries.append(delivery) }
            delivery.lastUnflushed = message.id
        }
        shard.context.counters.sent()
        touch()
    }

    private func write(_ frame: Frame) {
        var bytes = ByteBuffer()
        encoder.encode(frame, into: &bytes)
        transport.append(byteCount: bytes.readableBytes, isText: bytes.withUnsafeReadableBytes(UTF8Validator.isValid)) {
            $0.writeImmutableBuffer(bytes)
        }
        touch()
    }

    func touch() {
        guard !isTouched else { return }
        isTouched = true
        shard.touch(self)
    }

    /// Writes what was appended since the last time, in one write.
    func flush() {
        isTouched = false
        if unflushedDeliveries.isEmpty {
            transport.flush(written: nil)
        } else {
            let flushed = unflushedDeliveries.map { ($0, $0.lastUnflushed) }
            for delivery in unflushedDeliveries { delivery.lastUnflushed = nil }
            unflushedDeliveries.removeAll()
            transport.flush { self.flushed(flushed) }
        }
        let now = NIODeadline.now()
        heartBeat?.dataSent(at: now)
        checkBudget(at: now)
        resumeBacklog()
        if isOverfull { pauseOrResumeReading() }
    }

    /// Promise 5: in mode `auto` a message is delivered when its bytes were flushed to the socket.
    private func flushed(_ deliveries: [(Delivery, MessageID?)]) {
        guard !isEnded else { return }
        for case (let delivery, let last?) in deliveries {
            shard.acknowledged(delivery.ledger.acknowledge(last), on: delivery)
        }
    }

    // MARK: Room

    /// Whether the client takes bytes fast enough for more backlog. After `false` it resumes by itself.
    func hasRoomForBacklog() -> Bool {
        let hasRoom = transport.isWritable && transport.waitingBytes < Self.backlogBytesMax
        if !hasRoom { isPausedForBytes = true }
        return hasRoom
    }

    private func resumeBacklog() {
        guard isPausedForBytes, !isEnded, transport.isWritable, transport.waitingBytes < Self.backlogBytesMax else {
            return
        }
        isPausedForBytes = false
        for delivery in deliveries.values where delivery.hasRoom(shard.limits) {
            delivery.machine.roomMade()
            shard.wantsPage(delivery)
        }
    }

    func checkBudget(at now: NIODeadline) {
        guard !isClosing else { return }
        if budget.isExceeded(waitingBytes: transport.waitingBytes, limits: shard.limits, now: now) {
            fail(.slowConsumer)
        } else if budget.deadline != nil {
            shard.wake(self)
        }
    }

    // MARK: The end

    func close(_ reason: CloseReason, with frame: Frame?) {
        guard !isEnded else { return }
        isClosing = true
        if let frame { write(frame) }
        flush()
        transport.close(reason)
        pauseOrResumeReading()
        end(reason)
    }

    private func end(_ reason: CloseReason) {
        guard !isEnded else { return }
        isEnded = true
        isClosing = true
        shard.ended(self, reason: reason)
    }

    /// Takes what its user's messages had in flight; the broadcasts' are forgotten. The last thing done with a session.
    func drainUnacknowledged() -> [MessageID] {
        defer { deliveries.removeAll() }
        return deliveries.values.flatMap { $0.isTopic ? [] : $0.ledger.drain().map(\.id) }
    }
}
