import BelfryModel
import NIOCore
import STOMP

/// Told on the connection's event loop.
protocol ClientConnectionDelegate: AnyObject {
    /// The server accepted the token.
    func connected(_ headers: Headers, _ connection: ClientConnection)
    func messageReceived(_ frame: Frame)
    func receiptReceived(_ receipt: String, _ headers: Headers)
    /// Once a connection.
    func ended(_ end: ConnectionEnd, _ connection: ClientConnection)
}

/// One connection, from its opening to its end; it runs the actions of `ConnectionMachine` and `HeartBeatMachine`.
///
/// Unchecked: its variables are touched on its event loop only.
final class ClientConnection: @unchecked Sendable {
    /// Time for a Close frame behind an ERROR.
    private static let closeTimeout = TimeAmount.seconds(2)

    /// Counts a client's connections.
    let number: Int
    private let address: ServerAddress
    private let eventLoop: any EventLoop
    private let budget: ReadingBudget
    private let disconnectTimeout: TimeAmount
    private weak var delegate: (any ClientConnectionDelegate)?
    private var machine: ConnectionMachine
    private var heartBeat: HeartBeatMachine
    private var decoder: FrameDecoder
    private var channel: (any Channel)?
    private var handler: ClientChannelHandler?
    private var deadline: Scheduled<Void>?
    private var beat: Scheduled<Void>?
    private var isFlushDue = false

    /// - Parameters:
    ///   - address: the server's.
    ///   - budget: says whether messages may be read.
    init(
        number: Int, address: ServerAddress, token: String?, configuration: BelfryClient.Configuration,
        budget: ReadingBudget, eventLoop: any EventLoop, delegate: any ClientConnectionDelegate
    ) {
        self.number = number
        self.address = address
        self.eventLoop = eventLoop
        self.budget = budget
        self.delegate = delegate
        disconnectTimeout = TimeAmount(configuration.disconnectTimeout)
        let interval = UInt32(clamping: TimeAmount(configuration.heartBeat).nanoseconds / 1_000_000)
        machine = ConnectionMachine(
            host: address.host, token: token,
            heartBeat: HeartBeatOffer(canSendMilliseconds: interval, wantsMilliseconds: interval))
        heartBeat = HeartBeatMachine(HeartBeatAgreement(own: .none, other: .none), at: eventLoop.now)
        var limits = Limits()
        limits.headersMax = 256
        limits.bodyBytesMax = configuration.messageBytesMax
        decoder = FrameDecoder(limits: limits)
        budget.serve(self)
        endAfter(TimeAmount(configuration.connectTimeout))
    }

    var mayRead: Bool { machine.isReadAnyway || budget.mayRead }

    /// There may be room for more.
    func readAgain() {
        handler?.readAgain()
    }

    /// Sends a frame, unless the session is over or ending: nothing may follow DISCONNECT.
    func send(_ frame: Frame) {
        if machine.isConnected { write(frame) }
    }

    /// To be flushed with what else comes in this turn of the event loop.
    private func write(_ frame: Frame) {
        guard let channel else { return }
        var bytes = ByteBuffer()
        FrameEncoder().encode(frame, into: &bytes)
        heartBeat.dataSent(at: eventLoop.now)
        channel.write(bytes, promise: nil)
        guard !isFlushDue else { return }
        isFlushDue = true
        eventLoop.execute {
            self.isFlushDue = false
            self.channel?.flush()
        }
    }

    /// DISCONNECT, its receipt, and the end.
    func disconnect() {
        run(machine.disconnect())
        guard !machine.isEnded else { return }
        endAfter(disconnectTimeout)
        readAgain()
    }

    private func endAfter(_ time: TimeAmount) {
        deadline?.cancel()
        deadline = eventLoop.scheduleTask(in: time) { self.run(self.machine.deadlinePassed()) }
    }

    private func run(_ action: ConnectionMachine.Action) {
        switch action {
        case .none: break
        case .send(let frame): write(frame)
        case .up(let headers, let agreement):
            deadline?.cancel()
            heartBeat = HeartBeatMachine(agreement, at: eventLoop.now)
            scheduleBeat()
            delegate?.connected(headers, self)
        case .deliver(let frame): delegate?.messageReceived(frame)
        case .answered(let receipt, let headers): delegate?.receiptReceived(receipt, headers)
        case .awaitClose:
            endAfter(Self.closeTimeout)
            readAgain()
        case .end(let end):
            deadline?.cancel()
            beat?.cancel()
            handler = nil
            channel?.close(promise: nil)
            channel = nil
            delegate?.ended(end, self)
        }
    }

    // MARK: Heart-beats

    private func scheduleBeat() {
        guard let next = heartBeat.nextDeadline else { return }
        beat = eventLoop.scheduleTask(deadline: next) { self.ticked() }
    }

    private func ticked() {
        guard !machine.isEnded else { return }
        // What is not read tells nothing of the server.
        if !mayRead { heartBeat.dataReceived(at: eventLoop.now) }
        switch heartBeat.tick(at: eventLoop.now) {
        case .none: break
        case .sendHeartBeat: channel?.writeAndFlush(FrameEncoder.heartBeat, promise: nil)
        case .close: return run(machine.heartBeatsMissed())
        }
        scheduleBeat()
    }
}

// MARK: From the channel

extension ClientConnection {
    /// There is a channel that is not yet of use.
    func opening(_ channel: any Channel) {
        guard !machine.isEnded else { return channel.close(promise: nil) }
        self.channel = channel
    }

    /// Becomes the last part of the channel.
    func attach(to channel: any Channel) throws {
        opening(channel)
        guard !machine.isEnded else { return }
        let handler = ClientChannelHandler(self)
        self.handler = handler
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    func opened() {
        run(machine.opened())
    }

    func received(_ bytes: ByteBuffer) {
        heartBeat.dataReceived(at: eventLoop.now)
        var bytes = bytes
        decoder.feed(&bytes)
        do throws(FrameError) {
            while !machine.isEnded, let event = try decoder.next() {
                switch event {
                case .heartBeat: break
                case .frame(let frame): run(machine.frameReceived(frame))
                }
            }
        } catch {
            run(machine.decodingFailed(error))
        }
    }

    /// A Close frame came.
    func closed(code: UInt16, reason: String) {
        run(machine.closeReceived(code: code, reason: reason))
    }

    /// The channel failed, or there was none.
    func failed(_ error: any Error) {
        ended(.failed(error, at: address, isConnected: machine.isConnected))
    }

    /// The channel ended.
    func ended(_ end: ConnectionEnd) {
        run(machine.ended(end))
    }
}
