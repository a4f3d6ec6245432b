import BelfryModel
import Bus
import Logging
import NIOCore

/// Told on the link's event loop.
protocol RedisLinkDelegate: AnyObject {
    /// Whether answers to commands are outstanding, so that silence means a dead connection.
    var isAwaitingAnswers: Bool { get }
    /// The first commands have been answered.
    func linkConnected()
    /// - Throws: `BusError` when the connection is of no use any more.
    func linkReceived(_ value: RESPValue) throws(BusError)
    func linkReadCompleted()
    /// The connection went, or could not be made (`wasUp` false).
    func linkFailed(_ error: BusError, wasUp: Bool)
}

/// One connection to Redis that comes back by itself; it runs the actions of `LinkMachine` and `LivenessMachine`.
///
/// Unchecked: its variables are touched on its event loop only.
final class RedisLink: @unchecked Sendable {
    let eventLoop: any EventLoop
    private let role: RedisStateChange.Role
    private let connector: RedisConnector
    private let logger: Logger
    private let onStateChange: (@Sendable (RedisStateChange) -> Void)?
    private weak var delegate: (any RedisLinkDelegate)?
    private var machine: LinkMachine
    private var liveness: LivenessMachine
    private var channel: (any Channel)?
    private var timer: RepeatedTask?
    private var greetingTimeout: Scheduled<Void>?
    /// The kind of the last warning, so that an outage is logged once, and again when it becomes one of another kind.
    private var warned: BusError.Code?

    init(
        role: RedisStateChange.Role, eventLoop: any EventLoop, connector: RedisConnector, logger: Logger,
        onStateChange: (@Sendable (RedisStateChange) -> Void)?
    ) {
        let configuration = connector.configuration
        self.role = role
        self.eventLoop = eventLoop
        self.connector = connector
        self.logger = logger
        self.onStateChange = onStateChange
        machine = LinkMachine(configuration: configuration, clientName: "belfry-\(role.rawValue)")
        liveness = LivenessMachine(
            quietInterval: TimeAmount(configuration.quietInterval),
            answerTimeout: TimeAmount(configuration.answerTimeout), now: .now())
    }

    /// Connects, and again after each failure, until `close()`.
    func start(delegate: any RedisLinkDelegate) {
        self.delegate = delegate
        connect()
    }

    /// Writes and flushes commands; they are lost when the connection is not up.
    func send(_ commands: ByteBuffer) {
        guard machine.isUp, let channel else { return }
        if delegate?.isAwaitingAnswers == true { liveness.commandsSent(now: .now()) }
        channel.writeAndFlush(commands, promise: nil)
    }

    /// Gives the present connection up, to try another. It does not wait for the end of the old one: a dead peer would
    /// make TLS wait.
    func fail(_ error: BusError) {
        guard let channel else { return }
        ended(error, of: channel)
        channel.close(promise: nil)
    }

    /// The end; the delegate is told.
    func close() -> EventLoopFuture<Void> {
        let wasUp = machine.isUp
        machine.closed()
        stopTimers()
        let closed = channel?.closeFuture ?? eventLoop.makeSucceededVoidFuture()
        channel?.close(promise: nil)
        channel = nil
        failed(BusError(.closed, "The connection to Redis was closed by this process."), wasUp: wasUp)
        return closed
    }

    var isUp: Bool { machine.isUp }

    /// An error that says what happened to this link's connection.
    func failure(_ text: String, _ underlying: (any Error)? = nil, line: Int = #line) -> BusError {
        .connection(to: connector.configuration, text, underlying, line: line)
    }

    private func connect() {
        switch machine.started() {
        case .none: break
        case .connect:
            connector.connect(on: eventLoop, link: self).whenFailure { error in
                self.ended(self.failure("could not be made", error), of: nil)
            }
        }
    }
}

// MARK: events of the channel

extension RedisLink {
    func connected(_ channel: any Channel) {
        switch machine.connected() {
        case .close: channel.close(promise: nil)
        case .send(let greetings):
            self.channel = channel
            let timeout = TimeAmount(connector.configuration.connectTimeout)
            greetingTimeout = eventLoop.scheduleTask(in: timeout) {
                self.fail(self.failure("was made, but the first commands were not answered in time"))
            }
            do {
                channel.writeAndFlush(try LinkMachine.commands(for: greetings), promise: nil)
            } catch {
                fail(error)
            }
        }
    }

    func received(_ values: [RESPValue], on channel: any Channel) {
        for value in values {
            guard self.channel === channel else { return }
            switch machine.valueReceived(value) {
            case .none: break
            case .up: up()
            case .close(let error): fail(error)
            case .deliver(let value):
                do {
                    try delegate?.linkReceived(value)
                } catch {
                    fail(error)
                }
            }
        }
        liveness.bytesReceived(now: .now(), isAwaiting: delegate?.isAwaitingAnswers == true)
    }

    func readCompleted(on channel: any Channel) {
        guard machine.isUp, self.channel === channel else { return }
        delegate?.linkReadCompleted()
    }

    /// - Parameter channel: `nil` when the connection could not be made.
    func ended(_ error: BusError, of channel: (any Channel)?) {
        guard self.channel === channel else { return }
        self.channel = nil
        stopTimers()
        switch machine.ended() {
        case .none: break
        case .retry(let wasUp, let pause):
            warn(error)
            failed(error, wasUp: wasUp)
            eventLoop.scheduleTask(in: TimeAmount(pause)) { self.connect() }
        }
    }

    private func up() {
        greetingTimeout?.cancel()
        warned = nil
        logger.info("Redis is connected", metadata: metadata)
        liveness.bytesReceived(now: .now(), isAwaiting: false)
        timer = eventLoop.scheduleRepeatedTask(initialDelay: liveness.tickInterval, delay: liveness.tickInterval) { _ in
            self.ticked()
        }
        onStateChange?(RedisStateChange(role: role, isConnected: true, error: nil))
        delegate?.linkConnected()
    }

    private func ticked() {
        switch liveness.ticked(now: .now()) {
        case .none: break
        case .giveUp:
            let timeout = connector.configuration.answerTimeout
            fail(failure("is dead: nothing arrived within \(timeout) of a command"))
        case .sendPing:
            do {
                var ping = ByteBuffer()
                try RESPCommand.append(["PING"], to: &ping)
                channel?.writeAndFlush(ping, promise: nil)
            } catch {
                fail(error)
            }
        }
    }

    private func failed(_ error: BusError, wasUp: Bool) {
        if wasUp { onStateChange?(RedisStateChange(role: role, isConnected: false, error: error)) }
        delegate?.linkFailed(error, wasUp: wasUp)
    }

    private func stopTimers() {
        timer?.cancel()
        timer = nil
        greetingTimeout?.cancel()
        greetingTimeout = nil
    }

    private func warn(_ error: BusError) {
        guard error.code != warned else { return }
        warned = error.code
        logger.warning("Redis is away; it is tried again", metadata: metadata.merging(["error": "\(error)"]) { $1 })
    }

    private var metadata: Logger.Metadata {
        ["role": "\(role.rawValue)", "redis": "\(connector.configuration.redactedDescription)"]
    }
}

extension LinkMachine {
    /// The first commands as bytes, for one write.
    static func commands(for greetings: [Greeting]) throws(BusError) -> ByteBuffer {
        var buffer = ByteBuffer()
        for greeting in greetings {
            switch greeting {
            case .auth(nil, let password): try RESPCommand.append(["AUTH", password], to: &buffer)
            case .auth(let user?, let password): try RESPCommand.append(["AUTH", user, password], to: &buffer)
            case .select(let database): try RESPCommand.append(["SELECT", String(database)], to: &buffer)
            case .setName(let name): try RESPCommand.append(["CLIENT", "SETNAME", name], to: &buffer)
            }
        }
        return buffer
    }
}
