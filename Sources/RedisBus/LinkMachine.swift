import BelfryModel
import Bus

/// The life of one connection that comes back by itself: connecting, the first commands, up, a pause, and again.
struct LinkMachine: ~Copyable {
    /// A command at the start of each connection.
    enum Greeting: Hashable {
        case auth(user: String?, password: String)
        case select(Int)
        case setName(String)
    }

    enum StartAction {
        case connect
        case none
    }

    enum ConnectedAction {
        case send([Greeting])
        case close
    }

    enum ValueAction {
        case none
        /// The last of the first commands was answered.
        case up
        case deliver(RESPValue)
        case close(BusError)
    }

    enum EndAction {
        case none
        case retry(wasUp: Bool, after: Duration)
    }

    private enum State: Hashable {
        case idle
        case connecting
        /// How many of the first commands have been answered.
        case greeting(answered: Int)
        case up
        case closed
    }

    private let greetings: [Greeting]
    private let location: String
    private var state = State.idle
    private var backoff: Backoff

    init(configuration: RedisConfiguration, clientName: String) {
        var greetings: [Greeting] = []
        if let password = configuration.password {
            greetings.append(.auth(user: configuration.user, password: password))
        }
        if configuration.database != 0 { greetings.append(.select(configuration.database)) }
        greetings.append(.setName(clientName))
        self.greetings = greetings
        location = configuration.location
        backoff = Backoff(first: configuration.retryPauseFirst, limit: configuration.retryPauseMax)
    }

    var isUp: Bool { state == .up }
    var isClosed: Bool { state == .closed }
    var isGreeting: Bool {
        switch state {
        case .greeting: true
        case .idle, .connecting, .up, .closed: false
        }
    }

    /// The start, or the end of the pause after a failure.
    mutating func started() -> StartAction {
        guard state == .idle else { return .none }
        state = .connecting
        return .connect
    }

    /// The socket is connected (TLS may still be under way).
    mutating func connected() -> ConnectedAction {
        guard state == .connecting else { return .close }
        state = .greeting(answered: 0)
        return .send(greetings)
    }

    mutating func valueReceived(_ value: RESPValue) -> ValueAction {
        switch state {
        case .greeting(let answered): return greetingAnswered(greetings[answered], by: value, answered: answered + 1)
        case .up: return .deliver(value)
        case .idle, .connecting, .closed: return .none
        }
    }

    /// The connection ended or could not be made.
    mutating func ended() -> EndAction {
        switch state {
        case .closed, .idle: return .none
        case .connecting, .greeting:
            state = .idle
            return .retry(wasUp: false, after: backoff.next())
        case .up:
            state = .idle
            return .retry(wasUp: true, after: backoff.next())
        }
    }

    mutating func closed() {
        state = .closed
    }

    private mutating func greetingAnswered(
        _ greeting: Greeting, by value: RESPValue, answered: Int
    ) -> ValueAction {
        if let error = failure(of: greeting, answeredBy: value) { return .close(error) }
        guard answered == greetings.count else {
            state = .greeting(answered: answered)
            return .none
        }
        state = .up
        backoff.reset()
        return .up
    }

    private func failure(of greeting: Greeting, answeredBy value: RESPValue) -> BusError? {
        switch (value, greeting) {
        case (.error(let text), _) where text.hasPrefix("NOAUTH"):
            return BusError(
                .refused, "Redis at \(location) requires a password; put it into the URL: redis://:password@host.")
        case (.error(let text), .auth) where text.hasPrefix("WRONGPASS"):
            return BusError(.refused, "Redis at \(location) does not accept this user and password.")
        case (.error(let text), _) where text.isTransient:
            return BusError(.unavailable, "Redis at \(location) is not ready: \(text)")
        case (.error(let text), .auth): return BusError(.refused, "Redis at \(location) refused AUTH: \(text)")
        case (.error(let text), .select(let number)):
            return BusError(.refused, "Redis at \(location) refused database \(number): \(text)")
        case (.error(let text), .setName):
            // The name is a convenience in CLIENT LIST, which an ACL or a hosted Redis may forbid.
            let isTolerable = text.hasPrefix("NOPERM") || text.hasPrefix("ERR unknown command")
            return isTolerable ? nil : BusError(.refused, "Redis at \(location) refused the connection: \(text)")
        case (.simpleString, _): return nil
        case (.bulkString, _), (.integer, _), (.null, _), (.array, _):
            return BusError(
                .protocolViolation, "Redis at \(location) gave answers to the first commands that are not understood.")
        }
    }
}

extension String {
    /// Errors of Redis that pass by themselves.
    var isTransient: Bool {
        ["LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"].contains { hasPrefix($0 + " ") }
    }
}
