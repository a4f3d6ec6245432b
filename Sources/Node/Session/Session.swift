import Authentication
import BelfryModel
import Delivery
import NIOCore
import STOMP

/// One client: joins its STOMP machine with its transport, and its subscriptions with the parts of its worker. Lives on
/// one event loop.
public final class Session: @unchecked Sendable {
    /// The pause in reading from a client that sends too many frames.
    private static let ratePause = TimeAmount.milliseconds(50)
    /// What a command counts besides its bytes, as its answer may be large: some sixteen of a session's are under way.
    private static let commandBytes = 64 * 1024

    public let id: SessionID
    let openedAt = NIODeadline.now()
    let worker: Worker
    let connection: ClientConnection
    /// Who it belongs to: set once its token was accepted, and kept to the end.
    var identity: Identity?
    // These four and what follows are for the extensions of this type, and for nobody else.
    var machine: SessionMachine
    var times: SessionTimes
    var inbound: InboundFlow
    let outbound: OutboundFlow
    private var decoder: FrameDecoder
    /// The running subscriptions, by the number that the machine gave them.
    private(set) var consumers: [UInt32: Consumer] = [:]
    private var commandsUnderWay = 0
    /// What waits for the commands that are under way.
    private var commandsDone: ((_ areSettled: Bool) -> Void)?
    /// Ends the question whose the session is, while somebody is asked.
    var cancelAuthentication: (() -> Void)?
    /// Where what it asks for is answered, once it has subscribed to that.
    var replies: ReplyQueue?
    /// Where the clock has it.
    var filedTick: Int?
    /// The worker knows of its end.
    private(set) var isEnded = false

    init(id: SessionID, worker: Worker, transport: any SessionTransport, connection: ClientConnection) {
        let context = worker.context
        self.id = id
        self.worker = worker
        // A session lives for hours: of its request it keeps no more than is asked for again.
        self.connection = connection.keeping(
            fields: context.authenticator.fields, clients: &worker.clientNames)
        machine = SessionMachine(
            session: id.description, server: "belfry/\(context.version)", agreedVersion: connection.version,
            limits: context.limits)
        decoder = FrameDecoder(limits: context.limits)
        times = SessionTimes(limits: context.limits, now: .now())
        inbound = InboundFlow(limits: context.limits, now: .now())
        outbound = OutboundFlow(transport: transport, limits: context.limits)
    }

    var user: String? { identity?.user }
    /// It is not known yet who the client is.
    public var isStranger: Bool { identity == nil }
    /// DISCONNECT or an error came: nothing more is sent but what ends the session.
    public var isClosing: Bool { isEnded || machine.isClosing }
    /// Whether messages may be sent to it: not one after its token has expired.
    var mayReceive: Bool { !isClosing && !times.hasExpired(at: .now()) }
    /// The transport was told to stop reading.
    var isReadingPaused: Bool { inbound.isPaused }

    // MARK: From the transport

    /// Bytes of the peer's STOMP frames have come, in whatever pieces.
    public func bytesReceived(_ bytes: ByteBuffer) {
        guard !isClosing else { return }
        if decoder.isHeartBeat(bytes) { return }
        inbound.bytesReceived(bytes.readableBytes)
        var bytes = bytes
        decoder.feed(&bytes)
        decode()
    }

    /// The peer gave a sign of life, STOMP or not.
    public func peerIsAlive() { times.dataReceived(at: .now()) }

    /// The transport has dealt with one of the peer's frames, whatever it was.
    public func frameHandled() {
        if inbound.frameHandled() { awaitTurn() }
    }

    /// The end of one read of the transport.
    public func readCompleted() {
        inbound.readCompleted()
        worker.flushQueue.flush()
    }

    /// The peer takes bytes again.
    public func becameWritable() {
        resumeBacklogs()
        pauseOrResumeReading()
    }

    /// The transport has ended without us.
    public func transportEnded(_ reason: CloseReason) {
        machine.connectionClosed()
        end(reason)
    }

    /// The transport is gone for good. The last that it says, but for what the peer had sent before.
    public func transportClosed() { worker.transportClosed() }

    /// Ends the session for a reason of the transport's or the node's own; for `shuttingDown` when its turn comes, as
    /// all of a node's are told at once.
    public func fail(_ reason: CloseReason) {
        if reason == .shuttingDown { worker.drain(self) } else { failAtOnce(reason) }
    }

    func failAtOnce(_ reason: CloseReason) { run(machine.failed(reason, reason.text)) }

    /// The session's bytes are to be written at the end of this turn of the loop.
    public func touch() {
        if outbound.touch() { worker.flushQueue.add(self) }
    }

    // MARK: Reading

    /// Deals with what has arrived, as far as the turn reaches; the rest waits for the next.
    func decode() {
        if times.hasExpired(at: .now()) { expire() }
        do throws(FrameError) {
            while !isClosing, inbound.takesFrames {
                guard let event = try decoder.next() else { break }
                if case .frame(let frame) = event {
                    run(machine.frameReceived(frame))
                    if inbound.frameTaken(now: .now()) { awaitRate() }
                }
                if inbound.frameHandled() { awaitTurn() }
            }
        } catch {
            run(machine.decodingFailed(error))
        }
        pauseOrResumeReading()
    }

    /// Who sends faster than they may is not read from for a while.
    private func awaitRate() {
        pauseOrResumeReading()
        worker.eventLoop.scheduleTask(in: Self.ratePause) {
            guard !self.isEnded else { return }
            guard self.inbound.rateRenewed(at: .now()) else { return self.awaitRate() }
            self.decode()
            self.worker.flushQueue.flush()
        }
    }

    private func awaitTurn() {
        pauseOrResumeReading()
        worker.turns.add {
            self.inbound.turnCame()
            self.decode()
            self.worker.flushQueue.flush()
        }
    }

    /// Reads from the peer, unless something asks for a pause.
    func pauseOrResumeReading() {
        let isHeldUp =
            !isClosing
            && (worker.marks.isOverfull || worker.sends.isOverfull || outbound.isOverfull(isStranger: identity == nil))
        guard let mayRead = inbound.changed(isClosing: isClosing, isHeldUp: isHeldUp) else { return }
        // What it sent meanwhile is still to be read.
        if mayRead { peerIsAlive() }
        outbound.setReading(mayRead)
    }

    // MARK: Actions of the machine

    func run(_ action: SessionAction) {
        switch action {
        case .none: break
        case .authenticate(let request): authenticate(request)
        case .open(let connected, let agreement):
            times.connected(agreement, at: .now())
            decoder.version = machine.version
            outbound.version = machine.version
            write(connected)
            worker.sessions.file(self)
        case .reply(let frame): write(frame)
        case .subscribe(let request): subscribe(request)
        case .unsubscribe(let subscription, let receipt): unsubscribe(subscription, receipt: receipt)
        case .send(let request): send(request)
        case .acknowledge(let request): acknowledge(request)
        case .refuse(let request): refuse(request)
        case .commit(let request): commit(request)
        case .disconnect(let receipt): disconnect(receipt)
        case .fail(let error, let reason): close(reason, with: error)
        }
    }

    /// Refuses a frame: that ends the session.
    ///
    /// - Parameter sentence: for the developer of the client.
    func refuse(_ reason: CloseReason, _ sentence: String, message: String?, command: Command, receipt: String?) {
        run(machine.failed(reason, sentence, message: message, command: command, receipt: receipt))
    }

    // MARK: Subscriptions

    func add(_ consumer: Consumer) {
        consumers[consumer.subscription.number] = consumer
        if case .topic = consumer.address { worker.presence.opened(self) }
    }

    func removeConsumer(_ number: UInt32) -> Consumer? {
        let consumer = consumers.removeValue(forKey: number)
        if case .topic? = consumer?.address { worker.presence.opened(self) }
        return consumer
    }

    /// What it is subscribed to beside its user's queue, as far as operators are told.
    var topics: [String] {
        Set(consumers.values.compactMap { if case .topic(let name) = $0.address { name } else { nil } }).sorted()
    }

    /// Messages sent and not acknowledged.
    var unacknowledgedCount: Int { consumers.values.reduce(0) { $0 + $1.inFlightCount } }

    /// DISCONNECT waits for marks, and not for ever.
    func disconnecting() {
        times.disconnecting(until: .now() + TimeAmount(worker.context.limits.disconnectTimeout))
        worker.sessions.file(self)
    }

    // MARK: Receipts

    func sendReceipt(_ receipt: String) {
        guard !isEnded else { return }
        write(machine.receipt(for: receipt))
    }

    /// The receipt of a frame whose effect is committed later.
    func receiptOwed() { inbound.receiptOwed() }

    /// The wait for a receipt is over.
    ///
    /// - Parameter isDone: whether the frame's effect is committed.
    func receiptDue(_ receipt: String, isDone: Bool) {
        let goesOn = inbound.receiptPaid()
        guard isDone else { return fail(.internalError) }
        if !isClosing { sendReceipt(receipt) }
        if goesOn { decode() }
    }

    // MARK: Commands

    /// A command begins; further frames wait while too many are under way, as they do for receipts.
    ///
    /// - Parameter bytes: that it holds until it has ended.
    func commandBegan(bytes: Int) {
        commandsUnderWay += 1
        inbound.receiptOwed(bytes: bytes + Self.commandBytes)
    }

    /// A command has ended.
    ///
    /// - Parameters:
    ///   - receipt: to be sent, if one was asked for and the command was carried out.
    ///   - isSettled: it was carried out, or its client was told that it is refused. When neither, the receipt of a
    ///     DISCONNECT that came behind it would be a lie.
    ///   - bytes: as it began.
    func commandEnded(receipt: String?, isSettled: Bool, bytes: Int) {
        commandsUnderWay -= 1
        let goesOn = inbound.receiptPaid(bytes: bytes + Self.commandBytes)
        if let receipt { sendReceipt(receipt) }
        if !isSettled, let body = commandsDone { commandsDone = { _ in body(false) } }
        if commandsUnderWay == 0 { exchange(&commandsDone, with: nil)?(true) }
        if goesOn { decode() }
    }

    /// Runs `body` once no command of the session's is under way; tells it whether those that it waited for are
    /// settled, all of them.
    func whenCommandsAreDone(_ body: @escaping (_ areSettled: Bool) -> Void) {
        if commandsUnderWay == 0 { body(true) } else { commandsDone = body }
    }

    // MARK: To the client

    /// Sends a message of one of the session's subscriptions.
    func send(_ message: Message, isRedelivered: Bool, on consumer: Consumer) {
        outbound.append(message, isRedelivered: isRedelivered, on: consumer)
        worker.context.metrics.sent()
        if message.tracing != .no { worker.followed.sent(message, isRedelivered: isRedelivered, on: consumer) }
        touch()
    }

    func write(_ frame: Frame) {
        outbound.append(frame)
        touch()
    }

    /// Writes what was appended since the last time, in one write.
    func flush() {
        outbound.flush { self.flushed($0) }
        let now = NIODeadline.now()
        times.dataSent(at: now)
        checkBudget(at: now)
        resumeBacklogs()
        if outbound.isOverfull(isStranger: identity == nil) { pauseOrResumeReading() }
    }

    /// In mode `auto` a message is delivered when its bytes were flushed to the socket.
    private func flushed(_ flushed: [(Consumer, MessageID?)]) {
        guard !isEnded else { return }
        for case (let consumer, let last?) in flushed { worker.acknowledged(consumer.acknowledged(last), on: consumer) }
    }

    /// Whether the client takes bytes fast enough for more backlog. After `false` it resumes by itself.
    func takesMoreBacklog() -> Bool { mayReceive && outbound.takesMoreBacklog() }

    private func resumeBacklogs() {
        guard !isEnded, outbound.backlogResumes() else { return }
        for consumer in consumers.values {
            consumer.roomMade()
            worker.wantsPage(consumer)
        }
    }

    func checkBudget(at now: NIODeadline) {
        guard !isClosing else { return }
        if times.isSlow(waitingBytes: outbound.waitingBytes, limits: worker.context.limits, at: now) {
            fail(.slowConsumer)
        } else if times.isBudgetTight {
            worker.sessions.file(self)
        }
    }

    // MARK: The end

    func close(_ reason: CloseReason, with frame: Frame?) {
        guard !isEnded else { return }
        if let frame { write(frame) }
        flush()
        outbound.close(reason)
        pauseOrResumeReading()
        end(reason)
    }

    func end(_ reason: CloseReason) {
        guard !isEnded else { return }
        isEnded = true
        commandsDone = nil
        exchange(&cancelAuthentication, with: nil)?()
        worker.ended(self, reason: reason)
    }

    /// Takes the session's running subscriptions, once it has ended.
    func takeConsumers() -> [Consumer] { Array(exchange(&consumers, with: [:]).values) }
}
