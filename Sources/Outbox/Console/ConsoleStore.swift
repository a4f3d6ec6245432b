import BelfryModel
import Foundation
import Postgres

/// What operators see in the console beside messages and processes, and what they do there. Answers are JSON.
///
/// Refusals by the schema come as `PostgresError`s with `.server`; SQLSTATE 55P03 says that another transaction holds
/// what is to be changed.
public struct ConsoleStore: Sendable {
    /// Parked messages of an act at most.
    public static let batchMax = 500
    /// Rows of `belfry.parked` that groups are made of.
    public static let parkedMax = 50_000
    /// Rows of the outbox that are counted one by one.
    public static let countedMax = 10_000

    /// Which of the parked messages.
    public enum Parked: Sendable {
        case ids([MessageID])
        /// As `parked` tells its groups.
        case group(reason: String, type: String)
        case all
    }

    /// How many of the parked messages are meant.
    public struct ParkedCount: Sendable {
        public let matched: Int
        /// That was all.
        public let isComplete: Bool
        /// The first ten.
        public let sample: [MessageID]
    }

    /// What became of a part of them.
    public struct ParkedBatch: Sendable {
        public let done: Int
        public let skipped: Int
        public let left: Int
    }

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_service`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    // MARK: What is seen

    /// The state of the installation, as of now.
    public func facts() async throws(PostgresError) -> ConsoleFacts {
        ConsoleFacts(try await executor.execute(ConsoleStatements.facts, []))
    }

    /// What a user has: counts up to 10,000.
    public func user(_ user: String) async throws(PostgresError) -> String {
        try await executor.execute(ConsoleStatements.user, [.text(user)]).string(0, 0)
    }

    /// Parked messages by reason and type.
    public func parked() async throws(PostgresError) -> String {
        try await executor.execute(ConsoleStatements.parked, []).string(0, 0)
    }

    /// The types, with how often each was sent, refused and not delivered.
    public func types() async throws(PostgresError) -> String {
        try await executor.execute(ConsoleStatements.types, []).string(0, 0)
    }

    /// What is wrong with a schema, and with data by it.
    ///
    /// - Parameters:
    ///   - type: whose schema it is, where the body has none.
    ///   - body: a JSON object with `schema`, and perhaps `data`.
    /// - Returns: `nil` when there is no such type.
    public func check(type: String?, body: [UInt8]) async throws(PostgresError) -> String? {
        let result = try await executor.execute(
            ConsoleStatements.check, [type.map { .text($0) } ?? .null, .bytes(body)])
        return result.rowCount > 0 ? result.string(0, 0) : nil
    }

    // MARK: What is done

    /// Registers a type, or changes it.
    ///
    /// - Parameter body: a JSON object with `schema`.
    public func register(
        type: String, body: [UInt8], description: String?, actor: String
    ) async throws(PostgresError) -> String {
        try await executor.execute(
            ConsoleStatements.register,
            [.text(type), .bytes(body), description.map { .text($0) } ?? .null, .text(actor)]
        ).string(0, 0)
    }

    /// Delivers single messages again.
    ///
    /// - Parameter criteria: what chose them, as a JSON object for `belfry.audit`.
    public func replay(
        _ ids: [MessageID], includeDelivered: Bool, dryRun: Bool, actor: String, criteria: String = "{}"
    ) async throws(PostgresError) -> [ReplayedMessage] {
        let result = try await executor.execute(
            ConsoleStatements.replay,
            [
                .int64Array(ids.map(\.rawValue)), .bool(includeDelivered), .bool(dryRun), .text(actor),
                .text(criteria),
            ])
        return (0..<result.rowCount).map { row in
            ReplayedMessage(
                id: MessageID(rawValue: result.int64(row, 0) ?? 0), previousStatus: result.optionalString(row, 1),
                action: result.string(row, 2))
        }
    }

    /// How many parked messages are meant.
    public func count(_ parked: Parked) async throws(PostgresError) -> ParkedCount {
        let result = try await executor.execute(ConsoleStatements.countParked, Self.values(parked))
        return ParkedCount(
            matched: Int(result.int64(0, 0) ?? 0), isComplete: result.bool(0, 1),
            sample: result.int64List(0, 2).map(MessageID.init(rawValue:)))
    }

    /// Delivers the first of them again, or takes them back.
    ///
    /// - Parameter cancels: takes them back.
    public func act(
        on parked: Parked, cancels: Bool, actor: String
    ) async throws(PostgresError) -> ParkedBatch {
        let result = try await executor.execute(ConsoleStatements.someParked, Self.values(parked))
        let ids = result.int64List(0, 0).map(MessageID.init(rawValue:))
        let all = Int(result.int64(0, 1) ?? 0)
        guard !ids.isEmpty else { return ParkedBatch(done: 0, skipped: 0, left: all) }
        let done: Int
        if cancels {
            let cancelled = try await executor.execute(
                ConsoleStatements.cancel, [.int64Array(ids.map(\.rawValue)), .text(actor), .text(parked.criteria)])
            done = Int(cancelled.int64(0, 0) ?? 0)
        } else {
            done = try await replay(
                ids, includeDelivered: false, dryRun: false, actor: actor, criteria: parked.criteria
            ).count { !$0.action.hasPrefix("skip") }
        }
        return ParkedBatch(done: done, skipped: ids.count - done, left: all - done)
    }

    private static func values(_ parked: Parked) -> [PostgresValue] {
        switch parked {
        case .ids(let ids): [.int64Array(ids.map(\.rawValue)), .null, .null]
        case .group(let reason, let type): [.null, .text(reason), .text(type)]
        case .all: [.null, .null, .null]
        }
    }
}

extension ConsoleStore.Parked {
    private struct Criteria: Encodable {
        struct Group: Encodable {
            let reason: String
            let type: String
        }
        var all: Bool?
        var parked: Group?
    }

    /// As `belfry.audit` tells which were meant.
    fileprivate var criteria: String {
        let criteria =
            switch self {
            case .ids: Criteria()
            case .group(let reason, let type): Criteria(parked: Criteria.Group(reason: reason, type: type))
            case .all: Criteria(all: true)
            }
        return (try? JSONEncoder().encode(criteria)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

/// The state of an installation, as PostgreSQL knows it.
public struct ConsoleFacts: Sendable {
    /// Unix milliseconds, of PostgreSQL's clock.
    public let at: Int64
    /// Counted up to `ConsoleStore.countedMax`, and one more for more.
    public let pending: Int
    public let heldBack: Int
    public let oldestPending: Int64?
    public let parked: Int
    public let lagRows: Int
    public let lagSeconds: Double
    public let leader: OperatorStatus.Leader?
    public let postgresVersion: String
    public let connections: Int
    public let connectionsMax: Int
    public let databaseBytes: Int64
    public let installation: String
    /// Types whose webhooks fail, with commas between; `nil` for none.
    public let failingEscalations: String?
    /// Messages that were inserted without being queued, a minute ago or longer.
    public let unqueued: Int

    init(_ result: PostgresResult) {
        func count(_ column: Int) -> Int { Int(result.int64(0, column) ?? 0) }
        at = result.int64(0, 0) ?? 0
        pending = count(1)
        heldBack = count(2)
        oldestPending = result.int64(0, 3)
        parked = count(4)
        lagRows = count(5)
        lagSeconds = result.double(0, 6) ?? 0
        leader = result.optionalString(0, 7).map { name in
            OperatorStatus.Leader(name: name, term: count(8), seenAgeSeconds: result.double(0, 9))
        }
        postgresVersion = result.string(0, 10)
        connections = count(11)
        connectionsMax = count(12)
        databaseBytes = result.int64(0, 13) ?? 0
        installation = result.string(0, 14)
        failingEscalations = result.optionalString(0, 15)
        unqueued = count(16)
    }
}
