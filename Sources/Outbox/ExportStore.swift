import BelfryModel
import Postgres

/// Which messages are written out.
public struct ExportCriteria: Hashable, Sendable {
    public var receiver: String?
    public var topic: String?
    public var type: String?
    public var status: String?
    /// Written then or later; a time as PostgreSQL reads it.
    public var since: String?
    /// Written before then.
    public var until: String?

    public init() {}
}

/// How messages are written out.
public enum ExportFormat: String, Sendable, CaseIterable {
    /// A JSON object in each line; numbers in `data` as they were sent.
    case ndjson
    /// RFC 4180, the columns' names first; `data` and `headers` are JSON.
    case csv
}

/// Writes messages out, in the order of their ids, at any size of the log.
///
/// By COPY, some ten thousand ids at a time: one statement over all of a large log would keep vacuum from the outbox
/// for as long as it runs. So it is no picture of one moment: what changes meanwhile comes as it is then.
public struct ExportStore: Sendable {
    /// Of one COPY.
    static let idsPerPart: Int64 = 20_000

    private let connection: PostgresConnection

    /// - Parameter connection: its role is in `belfry_operator`.
    public init(connection: PostgresConnection) { self.connection = connection }

    /// - Parameter sink: given lines with their ends, on the connection's thread; may block, and the server waits. What
    ///   it throws ends the connection.
    /// - Throws: as `PostgresConnection.copyOut`; SQLSTATE 22007 for a time that is none.
    public func run(
        _ criteria: ExportCriteria, format: ExportFormat,
        to sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws(PostgresError) {
        if format == .csv { try await connection.copyOut(ExportStatements.heading, to: sink) }
        let last = try await connection.execute(ExportStatements.last).int64(0, 0) ?? 0
        var next = try await connection.execute(ExportStatements.next, [.int64(0)]).int64(0, 0)
        while let first = next, first <= last, !Task.isCancelled {
            let (end, isPast) = first.addingReportingOverflow(Self.idsPerPart - 1)
            let through = min(last, isPast ? last : end)
            try await connection.copyOut(
                ExportStatements.part(criteria, from: first, through: through, format: format), to: sink)
            next = try await connection.execute(ExportStatements.next, [.int64(through)]).int64(0, 0)
        }
    }
}

/// The text of its statements.
enum ExportStatements {
    private static let columns: [(name: String, value: String)] = [
        ("id", "m.id::text"), ("receiver", "m.receiver"), ("topic", "m.topic"), ("type", "m.type"),
        ("data", "m.data"), ("headers", "m.headers"), ("status", "m.status"), ("statusReason", "m.status_reason"),
        ("createdAt", time("created_at")), ("deliveredAt", time("delivered_at")), ("viewedAt", time("viewed_at")),
        ("notBefore", time("not_before")), ("expiresAt", time("expires_at")), ("deletedAt", time("hidden_at")),
        ("escalatedAt", time("escalated_at")),
        ("idempotencyKey", "m.idempotency_key"),
    ]

    /// RFC 3339 in UTC, whatever the session's settings.
    static func time(_ column: String) -> String {
        #"to_char(m.\#(column) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#
    }

    /// A row `m` as a JSON object.
    static let object = "json_build_object(\(columns.map { "'\($0.name)', \($0.value)" }.joined(separator: ", ")))"

    /// Plan: the end of the primary key.
    static let last = PostgresStatement("", "select m.id from belfry.message_log m order by m.id desc limit 1")

    /// The next id. Plan: by primary key.
    static let next = PostgresStatement(
        "", "select m.id from belfry.message_log m where m.id > $1::bigint order by m.id limit 1")

    static let heading = """
        copy (select \(columns.map { "'\($0.name)'" }.joined(separator: ", "))) to stdout with (format csv)
        """

    /// Plan: a range of the primary key.
    static func part(_ criteria: ExportCriteria, from: Int64, through: Int64, format: ExportFormat) -> String {
        var conditions = ["m.id between \(from) and \(through)"]
        for (value, condition) in [
            (criteria.receiver, "m.receiver = "), (criteria.topic, "m.topic = "), (criteria.type, "m.type = "),
            (criteria.status, "m.status::text = "), (criteria.since, "m.created_at >= timestamptz "),
            (criteria.until, "m.created_at < timestamptz "),
        ] {
            if let value { conditions.append(condition + value.quotedAsSQLLiteral) }
        }
        let (row, options) =
            switch format {
            case .csv: (columns.map(\.value).joined(separator: ", "), "format csv")
            case .ndjson:
                // JSON holds no control characters: with these nothing of it is quoted.
                (object, #"format csv, delimiter e'\x02', quote e'\x01'"#)
            }
        return """
            copy (
                select \(row) from belfry.message_log m
                where \(conditions.joined(separator: " and ")) order by m.id
            ) to stdout with (\(options))
            """
    }
}

extension String {
    /// A literal that means the same whatever `standard_conforming_strings` says (PostgreSQL docs, "String Constants
    /// with C-Style Escapes").
    var quotedAsSQLLiteral: String {
        " e'" + replacing("\\", with: "\\\\").replacing("'", with: "''") + "'"
    }
}
