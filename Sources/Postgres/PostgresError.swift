/// Why PostgreSQL could not do what it was asked.
public struct PostgresError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it was.
    public struct Code: Hashable, Sendable {
        enum Value {
            case connection, noConnection, server, protocolViolation, closed, invalidConfiguration, invalidValue
            case timeout, overloaded
        }
        let value: Value
        /// No connection, or it was lost; whether a statement under way took effect is not known.
        public static let connection = Code(value: .connection)
        /// No connection came up while the statement waited for one. Nothing was sent.
        public static let noConnection = Code(value: .noConnection)
        /// The server refused the statement; `sqlState` says why.
        public static let server = Code(value: .server)
        /// An answer that makes no sense here, COPY among them; the connection was dropped.
        public static let protocolViolation = Code(value: .protocolViolation)
        /// `close()` was called, or the transaction is over.
        public static let closed = Code(value: .closed)
        /// A URL or a setting that cannot work.
        public static let invalidConfiguration = Code(value: .invalidConfiguration)
        /// A parameter that PostgreSQL's text format can't carry: a NUL byte. Nothing was sent.
        public static let invalidValue = Code(value: .invalidValue)
        /// No answer within the time set; the connection was dropped if a statement was under way.
        public static let timeout = Code(value: .timeout)
        /// Too many statements wait already. Nothing was sent.
        public static let overloaded = Code(value: .overloaded)
    }

    public let code: Code
    /// The five characters of the server's SQLSTATE, when the server spoke.
    public let sqlState: String?
    /// A sentence for an operator; it never holds a password. The server's own words may quote a value.
    public let message: String
    /// The server's DETAIL, which may quote a row: for the caller, not part of `description`.
    public let detail: String?
    public let hint: String?
    public let underlying: (any Error)?
    public let file: String
    public let line: Int

    public init(
        _ code: Code, _ message: String, sqlState: String? = nil, detail: String? = nil, hint: String? = nil,
        underlying: (any Error)? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
        self.underlying = underlying
        self.file = file
        self.line = line
    }

    /// Whether the same call may succeed if it is made again: a lost connection, a serialization failure or deadlock,
    /// a server that starts, stops or is short of resources.
    public var isTransient: Bool {
        switch code.value {
        case .connection, .noConnection, .timeout, .overloaded: true
        case .protocolViolation, .closed, .invalidConfiguration, .invalidValue: false
        case .server:
            // 26000, 42P05: a pooler swapped the server session; the connection has stopped preparing by then.
            switch sqlState ?? "" {
            case "40001", "40P01", "55P03", "57P01", "57P02", "57P03", "57P05", "26000", "42P05": true
            case let state: state.hasPrefix("08") || state.hasPrefix("53")
            }
        }
    }

    /// Whether nothing of the statement can have taken effect: it was not sent, or the server refused it.
    public var isWithoutEffect: Bool {
        switch code.value {
        case .noConnection, .invalidConfiguration, .invalidValue, .overloaded: true
        case .connection, .protocolViolation, .closed, .timeout: false
        // 08007: transaction_resolution_unknown; 57P: the server ends the session, which may be after the commit.
        case .server: !["08", "57P"].contains { sqlState?.hasPrefix($0) ?? true }
        }
    }

    /// Whether the server refuses the statement itself, and would again: not a fault of the connection, of the moment,
    /// or of the server's state (PostgreSQL docs, "PostgreSQL Error Codes").
    public var isRefusal: Bool {
        switch code.value {
        case .invalidValue: return true
        case .connection, .noConnection, .protocolViolation, .closed, .invalidConfiguration, .timeout, .overloaded:
            return false
        case .server: break
        }
        // 25006: a standby; 57P01 to 57P05: it stops, starts, or ends the session. 55P03: a lock timeout.
        guard let sqlState, !isTransient, sqlState != "25006" else { return false }
        return !["57P", "58", "XX", "40"].contains { sqlState.hasPrefix($0) }
    }

    /// Whether it refuses for what the statement's values and rows hold: data exceptions, violated constraints, and
    /// what a trigger raises.
    public var isFaultOfItsData: Bool {
        guard isRefusal, let sqlState else { return code == .invalidValue }
        // 54001: JSON that is nested too deeply.
        return sqlState == "54001" || ["22", "23", "27", "44", "P0"].contains { sqlState.hasPrefix($0) }
    }

    /// The message, ended by a full stop, and the hint: for a person whose statement it was.
    public var sentence: String {
        [message.hasSuffix(".") ? message : message + ".", hint].compactMap(\.self).joined(separator: " ")
    }

    public var description: String { sqlState.map { "\(message) (SQLSTATE \($0))" } ?? message }
}
