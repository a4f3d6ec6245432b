import BelfryModel
import Postgres

/// Searches messages for operators, newest first: along an index where the criteria have one, else through the log,
/// and never longer than two seconds.
public struct MessageSearchStore: Sendable {
    /// How long a request looks; a piece more at most.
    private static let patience: Duration = .milliseconds(1_500)
    /// Messages of a piece at first; each is twice as large as the one before.
    private static let firstPiece = 500
    private static let pieceMax = 8_000
    /// The same where `data` is read, which may be large.
    private static let contentPieceMax = 1_000
    /// Messages that one request looks at.
    private static let rowsMax = 50_000
    /// `created_at` and ids do not rise together where a statement takes long: this much is looked at beside a time.
    private static let slackMilliseconds: Int64 = 900_000

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_service` or `belfry_operator`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// The next messages of a search.
    ///
    /// - Throws: SQLSTATE 22P05 or 22P02 where the content that is looked for is no JSON to PostgreSQL.
    public func find(_ search: MessageSearch) async throws(PostgresError) -> FoundMessages {
        let way = try await way(of: search)
        let statement = MessageSearchStatements.piece(way)
        let filters = Self.filters(search)
        let bounds = try await bounds(of: search)
        var before = bounds.before
        var ids: [Int64] = []
        var (rows, backTo): (Int, Int64?) = (0, nil)
        var size = Self.firstPiece
        let deadline = ContinuousClock.now + Self.patience
        var isComplete = false
        while ids.count < search.limit, rows < Self.rowsMax, !isComplete, !Task.isCancelled {
            let piece = try await executor.execute(
                statement, filters + [.int64(before), .int64(bounds.after), .int64(Int64(size))])
            let count = Int(piece.int64(0, 0) ?? 0)
            let matches = piece.int64List(0, 3)
            let room = search.limit - ids.count
            rows += count
            backTo = piece.int64(0, 2) ?? backTo
            ids += matches.prefix(room)
            // Those behind the last that there is room for come with the next request.
            before = matches.count > room ? ids[ids.count - 1] : piece.int64(0, 1) ?? before
            isComplete = count < size && matches.count <= room
            size = min(2 * size, search.content == nil ? Self.pieceMax : Self.contentPieceMax)
            if ContinuousClock.now >= deadline { break }
        }
        return FoundMessages(
            messages: try await self.rows(ids), before: isComplete ? nil : MessageID(rawValue: before), rows: rows,
            backTo: backTo, way: way)
    }

    /// One message with its data and headers, as a JSON object; `nil` when there is none.
    public func message(_ id: MessageID) async throws(PostgresError) -> String? {
        let result = try await executor.execute(MessageSearchStatements.message, [.int64(id.rawValue)])
        return result.rowCount > 0 ? result.string(0, 0) : nil
    }

    private func rows(_ ids: [Int64]) async throws(PostgresError) -> [String] {
        guard !ids.isEmpty else { return [] }
        let result = try await executor.execute(MessageSearchStatements.rows, [.int64Array(ids)])
        return (0..<result.rowCount).map { result.string($0, 0) }
    }

    private func way(of search: MessageSearch) async throws(PostgresError) -> MessageSearch.Way {
        if search.id != nil { return .id }
        if search.idempotencyKey != nil { return .key }
        let whole: MessageSearch.Way = search.since == nil && search.until == nil ? .log : .time
        if search.walksLog { return whole }
        if search.status == "parked" || search.parkedReason != nil { return .parked }
        if search.topic != nil { return .topic }
        if search.receiver != nil {
            let hasIndex = try await executor.execute(MessageSearchStatements.hasHistory, []).bool(0, 0)
            if hasIndex { return .receiver }
        }
        return search.status == "pending" ? .outbox : whole
    }

    /// The ids between which it lies, both exclusive.
    private func bounds(of search: MessageSearch) async throws(PostgresError) -> (before: Int64, after: Int64) {
        var (before, after) = (search.before?.rawValue ?? Int64.max, Int64(0))
        guard search.since != nil || search.until != nil else { return (before, after) }
        func near(_ time: Int64?, _ slack: Int64) -> PostgresValue {
            time.map { .int64($0.addingReportingOverflow(slack).partialValue) } ?? .null
        }
        let result = try await executor.execute(
            MessageSearchStatements.near,
            [near(search.since, -Self.slackMilliseconds), near(search.until, Self.slackMilliseconds)])
        if let low = result.int64(0, 0) { after = max(0, low - 1) }
        if let high = result.int64(0, 1) { before = min(before, high) }
        return (before, after)
    }

    private static func filters(_ search: MessageSearch) -> [PostgresValue] {
        func text(_ value: String?) -> PostgresValue { value.map { .text($0) } ?? .null }
        func number(_ value: Int64?) -> PostgresValue { value.map { .int64($0) } ?? .null }
        return [
            number(search.id?.rawValue), text(search.idempotencyKey), text(search.receiver), text(search.topic),
            text(search.type), text(search.status), number(search.since), number(search.until),
            search.content.map { .textArray($0.path) } ?? .null, text(search.content?.text),
            text(search.content?.json), text(search.parkedReason),
        ]
    }
}

/// The text of its statements.
enum MessageSearchStatements {
    private static let timeLimit = Duration.seconds(20)

    static func milliseconds(_ column: String) -> String { "(date_part('epoch', \(column)) * 1000)::bigint" }

    private static func time(_ parameter: String) -> String { "to_timestamp(\(parameter)::bigint / 1000.0::float8)" }

    /// $1 to $12.
    private static let filters = """
        ($1::bigint is null or m.id = $1) and ($2::text is null or m.idempotency_key = $2)
            and ($3::text is null or m.receiver = $3) and ($4::text is null or m.topic = $4)
            and ($5::text is null or m.type = $5) and ($6::text is null or m.status = $6)
            and ($7::bigint is null or m.created_at >= \(time("$7")))
            and ($8::bigint is null or m.created_at < \(time("$8")))
            and ($9::text[] is null or case
                when $10::text is null then m.data #> $9 is not null
                else m.data #>> $9 = $10 or m.data #> $9 = $11::jsonb end)
            and ($12::text is null or exists (
                select from belfry.parked p where p.message_id = m.id and left(p.reason, 500) = $12))
        """

    /// Ids of a way, the highest first.
    private static func ids(_ way: MessageSearch.Way) -> String {
        func range(_ table: String, _ condition: String, id: String = "id") -> String {
            """
            select t.\(id) as id from belfry.\(table) t
                where \(condition) and t.\(id) < $13::bigint and t.\(id) > $14::bigint
                order by t.\(id) desc limit $15::bigint
            """
        }
        return switch way {
        case .id: range("message_log", "t.id = $1::bigint")
        case .key: range("message_log", "t.idempotency_key = $2")
        case .topic: range("message_log", "t.topic = $4")
        case .outbox:
            // And what is to be delivered and in no outbox, as it came without the trigger.
            """
            select u.id from (
                    (\(range("outbox", "true", id: "message_id")))
                    union
                    (\(range("unqueued", "true", id: "message_id")))
                ) u order by u.id desc limit $15::bigint
            """
        case .parked: range("parked", "true", id: "message_id")
        case .time, .log: range("message_log", "true")
        case .receiver:
            // The index tells those that were viewed one by one from the others.
            """
            select u.id from (
                    (\(range("message_log", viewed(0))))
                    union all
                    (\(range("message_log", viewed(1))))
                ) u order by u.id desc limit $15::bigint
            """
        }
    }

    private static func viewed(_ number: Int) -> String {
        "t.receiver = $3 and t.hidden_at is null and (case when t.viewed_at is null then 0 else 1 end) = \(number)"
    }

    /// How many were looked at, the lowest id, when that was written, and the ids of those that match.
    ///
    /// Plan: ids by the way's index, backwards; message_log by primary key.
    static func piece(_ way: MessageSearch.Way) -> PostgresStatement {
        PostgresStatement(
            "belfry_search_\(way.rawValue)",
            """
            with chosen as materialized (
                \(ids(way))
            ), piece as materialized (
                select m.id, m.created_at, \(filters) as matches
                from chosen c cross join lateral (select l.* from belfry.message_log l where l.id = c.id offset 0) m
            )
            select (select count(*) from chosen c), (select min(c.id) from chosen c),
                (select \(milliseconds("p.created_at")) from piece p order by p.id limit 1),
                array(select p.id from piece p where p.matches order by p.id desc)::text
            """, timeLimit: timeLimit)
    }

    static let hasHistory = PostgresStatement(
        "belfry_search_has_history", "select \(HistoryStatements.isUsable)", timeLimit: timeLimit)

    /// Ids near two times. Plan: forty looks at message_log by primary key.
    static let near = PostgresStatement(
        "belfry_search_near",
        """
        select belfry.id_near(\(time("$1"))), belfry.id_near(\(time("$2"))) + 1001
        """, timeLimit: timeLimit)

    private static let columns = """
        'id', m.id::text, 'receiver', m.receiver, 'topic', m.topic, 'type', m.type, 'status', m.status,
            'statusReason', m.status_reason, 'createdAt', \(milliseconds("m.created_at")),
            'deliveredAt', \(milliseconds("m.delivered_at")), 'viewedAt', \(milliseconds("m.viewed_at")),
            'notBefore', \(milliseconds("m.not_before")),
            'expiresAt', case when m.expires_at < 'infinity' then \(milliseconds("m.expires_at")) end,
            'idempotencyKey', m.idempotency_key, 'dataBytes', octet_length(m.data::text)
        """

    /// Plan: message_log and parked by primary key.
    static let rows = PostgresStatement(
        "belfry_search_rows",
        """
        select json_build_object(\(columns), 'parked', (
            select json_build_object(
                'at', \(milliseconds("p.parked_at")), 'reason', p.reason, 'attempts', p.attempts)
            from belfry.parked p where p.message_id = m.id))::text
        from unnest($1::bigint[]) with ordinality as w(id, place)
        cross join lateral (select l.* from belfry.message_log l where l.id = w.id offset 0) m
        order by w.place
        """, timeLimit: timeLimit)

    /// Plan: by primary key.
    static let message = PostgresStatement(
        "belfry_search_message",
        """
        select json_build_object(\(columns), 'data', m.data, 'headers', coalesce(m.headers, '{}'))::text
        from belfry.message_log m where m.id = $1::bigint
        """, timeLimit: timeLimit)
}
