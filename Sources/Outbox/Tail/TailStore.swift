import BelfryModel
import Postgres

/// Which messages are followed.
public struct TailCriteria: Hashable, Sendable {
    /// Of any of these types; none: of every type.
    public var types: [String] = []
    /// To any of these topics or receivers; neither: to everybody.
    public var topics: [String] = []
    public var receivers: [String] = []
    /// Written then or later; a time as PostgreSQL reads it.
    public var since: String?

    public init() {}
}

/// A message that was committed.
public struct TailedMessage: Hashable, Sendable {
    public let id: MessageID
    /// RFC 3339 in UTC.
    public let createdAt: String
    public let receiver: String?
    public let topic: String?
    public let type: String
    public let status: String
    /// Its data as JSON, or where that is asked for all of it as a JSON object, as `ExportFormat.ndjson` has it;
    /// numbers as they were sent.
    public let json: String
}

/// What became of a message after it was found pending.
public struct TailedChange: Hashable, Sendable {
    public let id: MessageID
    /// RFC 3339 in UTC; `nil` unless it was delivered.
    public let deliveredAt: String?
    public let status: String
    public let reason: String?
}

/// Follows the log: every message once, after its commit, late commits too.
///
/// Nothing is held between two looks, no transaction and no lock, so whoever reads slowly holds up nobody. Rows that
/// come with ids of their own, from a restore or by replication, are found where these are greater than the others.
public struct TailStore: Sendable {
    /// Rows that a look reads at most, whatever it finds among them.
    static let rowsMax = 2_000
    /// Stored bytes of `data` after which a look's page ends.
    static let bytesMax = 4 * 1024 * 1024
    /// Ids before the first one in which transactions that are open at the start may still commit.
    static let idsBefore: Int64 = 100_000
    /// Pending messages whose status is watched, the latest.
    static let watchedMax = 5_000

    private let criteria: TailCriteria
    private let wholeObjects: Bool
    private var position: TailPosition
    /// Found pending, ascending in time.
    private var watched: [Int64] = []
    private let watches: Bool

    /// Where to begin: with what `criteria.since` says, or with what is committed from now on.
    ///
    /// - Parameters:
    ///   - executor: its role is in `belfry_operator`.
    ///   - wholeObjects: whether messages come as JSON objects.
    ///   - watches: whether `changes` is asked.
    /// - Throws: `PostgresError`; SQLSTATE 22007 for a time that is none.
    public init(
        _ criteria: TailCriteria, wholeObjects: Bool, watches: Bool, executor: any RelayStoreExecutor
    ) async throws(PostgresError) {
        self.criteria = criteria
        self.wholeObjects = wholeObjects
        self.watches = watches
        let result = try await executor.execute(
            TailStatements.start, [criteria.since.map { .text($0) } ?? .null, .int64(Self.idsBefore)])
        var gaps: [ClosedRange<Int64>] = []
        for row in 0..<result.rowCount {
            guard let low = result.int64(row, 2), let high = result.int64(row, 3), low <= high else { continue }
            gaps.append(low...high)
        }
        position = TailPosition(
            next: result.int64(0, 1) ?? 1, gaps: gaps, snapshot: try Self.snapshot(result.string(0, 0)),
            nextTransaction: UInt64(result.string(0, 4)) ?? .max)
    }

    /// Holes that were forgotten, as there were too many: what commits there now is not found.
    public var forgotten: Int { position.forgotten }

    /// One look.
    ///
    /// - Returns: messages in an order in which they may have been committed; and whether there is more to be read at
    ///   once.
    public mutating func look(
        _ executor: any RelayStoreExecutor
    ) async throws(PostgresError) -> (messages: [TailedMessage], isFull: Bool) {
        let ranges = position.ranges
        let result = try await executor.execute(
            TailStatements.look,
            [
                .text(position.snapshot.description), .int64Array(ranges.lows), .int64Array(ranges.highs),
                .textArray(ranges.bounds.map(String.init)), Self.list(criteria.types), Self.list(criteria.topics),
                Self.list(criteria.receivers), criteria.since.map { .text($0) } ?? .null, .bool(wholeObjects),
            ])
        let answer = TailPosition.Answer(
            snapshot: try Self.snapshot(result.string(0, 0)),
            oldestStatement: result.optionalString(0, 1).flatMap { UInt64($0) },
            nextTransaction: UInt64(result.string(0, 2)) ?? .max,
            ids: result.string(0, 3).split(separator: ",").compactMap { Int64($0) }, isFull: result.bool(0, 4))
        let new = Set(position.advance(answer))
        var messages: [TailedMessage] = []
        for row in 1..<max(result.rowCount, 1) {
            guard let id = result.int64(row, 5), new.contains(id) else { continue }
            messages.append(
                TailedMessage(
                    id: MessageID(rawValue: id), createdAt: result.string(row, 0),
                    receiver: result.optionalString(row, 6), topic: result.optionalString(row, 7),
                    type: result.string(row, 8), status: result.string(row, 9), json: result.string(row, 10)))
        }
        if watches {
            watched += messages.filter { $0.status == "pending" }.map(\.id.rawValue)
            watched.removeFirst(max(0, watched.count - Self.watchedMax))
        }
        return (messages, answer.isFull)
    }

    /// Which of the messages that were found pending are so no longer.
    public mutating func changes(
        _ executor: any RelayStoreExecutor
    ) async throws(PostgresError) -> [TailedChange] {
        guard !watched.isEmpty else { return [] }
        let result = try await executor.execute(TailStatements.changes, [.int64Array(watched)])
        let changes = (0..<result.rowCount).map { row in
            TailedChange(
                id: MessageID(rawValue: result.int64(row, 0) ?? 0), deliveredAt: result.optionalString(row, 2),
                status: result.string(row, 1), reason: result.optionalString(row, 3))
        }
        let over = Set(changes.map(\.id.rawValue))
        watched.removeAll(where: over.contains)
        return changes
    }

    /// On a new connection: goes on where it was.
    public mutating func resume(_ executor: any RelayStoreExecutor) async throws(PostgresError) {
        let highest = try await executor.execute(ExportStatements.last, []).int64(0, 0)
        position.resume(highest: highest ?? 0)
    }

    private static func list(_ names: [String]) -> PostgresValue { names.isEmpty ? .null : .textArray(names) }

    private static func snapshot(_ text: String) throws(PostgresError) -> TransactionSnapshot {
        guard let snapshot = TransactionSnapshot(text) else {
            throw PostgresError(.protocolViolation, "PostgreSQL answered no snapshot.")
        }
        return snapshot
    }
}
