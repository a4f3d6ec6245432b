import BelfryModel
import Postgres

/// A hop as a process writes it.
public struct HopRow: Sendable {
    public let message: MessageID
    /// How long ago it was, in microseconds: times are written by PostgreSQL's clock.
    public let ageMicroseconds: Int64
    public let what: String
    public let details: [(name: String, value: String)]

    public init(
        message: MessageID, ageMicroseconds: Int64, what: String, details: [(name: String, value: String)]
    ) {
        self.message = message
        self.ageMicroseconds = ageMicroseconds
        self.what = what
        self.details = details
    }
}

/// Writes, deletes and is told by what is kept for `belfry trace`: `belfry.hop` and `belfry.watch`.
public struct HopStore: Sendable {
    /// Hops that one statement deletes.
    public static let deletedMax = 2_000

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: a connection that nothing else uses; its role is in `belfry_service`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// Writes hops of a process, in one statement.
    public func write(_ hops: [HopRow], process: String) async throws(PostgresError) {
        _ = try await executor.execute(
            HopStatements.write,
            [
                .text(process), .int64Array(hops.map(\.message.rawValue)), .int64Array(hops.map(\.ageMicroseconds)),
                .textArray(hops.map(\.what)), .textArray(hops.map { JSONText.object($0.details) }),
            ])
    }

    /// Deletes hops that are older than `age`, the oldest first: `deletedMax` at most. Returns how many.
    public func deleteOld(_ age: Duration) async throws(PostgresError) -> Int {
        try await executor.execute(HopStatements.deleteOld, [.int64(age.milliseconds)]).affectedRows
    }

    /// What is watched now.
    public func watches() async throws(PostgresError) -> [(receiver: String?, type: String?)] {
        let result = try await executor.execute(HopStatements.watches, [])
        return (0..<result.rowCount).map { (result.optionalString($0, 0), result.optionalString($0, 1)) }
    }
}

/// JSON of a few texts.
enum JSONText {
    /// An object with these members.
    static func object(_ members: [(name: String, value: String)]) -> String {
        "{" + members.map { "\(string($0.name)):\(string($0.value))" }.joined(separator: ",") + "}"
    }

    /// RFC 8259, section 7; without NUL, which jsonb does not take.
    private static func string(_ text: String) -> String {
        var escaped = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": escaped += "\\\""
            case "\\": escaped += "\\\\"
            case "\0": continue
            case "\u{1}"..."\u{1F}":
                let digits = String(scalar.value, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped + "\""
    }
}

/// The text of its statements. Each has its time: somebody may have locked the table.
enum HopStatements {
    /// Plan: none but the insert.
    static let write = PostgresStatement(
        "belfry_hops_write",
        """
        insert into belfry.hop (message_id, at, process, what, details)
        select h.id, statement_timestamp() - h.age * interval '1 microsecond', $1, h.what, h.details::jsonb
        from unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[]) as h(id, age, what, details)
        """, timeLimit: .seconds(10))

    /// Nobody else locks rows of this table.
    /// Plan: index hop_at from its start, which stops at the limit; then rows by their address.
    static let deleteOld = PostgresStatement(
        "belfry_hops_delete_old",
        """
        with old as materialized (
            select h.ctid as place from belfry.hop h
            where h.at < statement_timestamp() - $1::bigint * interval '1 millisecond'
            order by h.at limit \(HopStore.deletedMax)
        )
        delete from belfry.hop h where h.ctid = any(array(select o.place from old o))
        """, timeLimit: .seconds(10))

    /// Plan: the table, which holds a hundred rows at most.
    static let watches = PostgresStatement(
        "belfry_watches", "select w.receiver, w.type from belfry.watch w where w.until > statement_timestamp()",
        timeLimit: .seconds(10))
}
