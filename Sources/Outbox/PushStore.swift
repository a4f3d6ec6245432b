import BelfryModel
import Postgres

/// Writes messages that come with their JSON still unread, and tells their ids.
public struct PushStore: Sendable {
    /// A message that was written before under a row's idempotency key.
    public struct Earlier: Sendable {
        /// The row's place among those that were asked about.
        public let place: Int
        public let id: MessageID
        /// Whether it is the same message: address, type and data.
        public let isSame: Bool
    }

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_service`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// Writes messages in their order, in one transaction.
    ///
    /// Fails as `NodeStore.send` does, and with SQLSTATE 23505 when an idempotency key was used before: then nothing
    /// was written.
    ///
    /// - Parameters:
    ///   - rows: their `data` and `isText` mean nothing.
    ///   - sent: the places of rows that were sent before and are left out.
    ///   - json: an array with a JSON object for each row, whose member `data` is the row's.
    /// - Returns: an id for each row that was written; `nil` for the others.
    public func push(
        _ rows: [SendRow], json: [UInt8], except sent: Set<Int> = []
    ) async throws(PostgresError) -> [MessageID?] {
        let left = sent.sorted().map { Int64($0 + 1) }
        let result = try await executor.execute(PushStatements.push, Self.values(rows, json) + [.int64Array(left)])
        var ids: [MessageID] = []
        var byKey: [String: MessageID] = [:]
        for row in 0..<result.rowCount {
            let id = MessageID(rawValue: result.int64(row, 0) ?? 0)
            if let key = result.optionalString(row, 1) { byKey[key] = id } else { ids.append(id) }
        }
        // Ids rise in the order of the rows.
        var unkeyed = ids.makeIterator()
        return rows.enumerated().map { place, row in
            if sent.contains(place) { return nil }
            return row.idempotencyKey.map { byKey[$0] } ?? unkeyed.next()
        }
    }

    /// Which of the rows' idempotency keys were used before, and for what. Parameters as those of `push`.
    public func earlier(_ rows: [SendRow], json: [UInt8]) async throws(PostgresError) -> [Earlier] {
        let result = try await executor.execute(PushStatements.earlier, Self.values(rows, json))
        return (0..<result.rowCount).map { row in
            Earlier(
                place: Int(result.int64(row, 0) ?? 1) - 1, id: MessageID(rawValue: result.int64(row, 1) ?? 0),
                isSame: result.bool(row, 2))
        }
    }

    /// Whom a message goes to, while it can be taken back; `nil` when it is delivered, or there is none.
    public func addressOfWaiting(_ id: MessageID) async throws(PostgresError) -> Address? {
        let result = try await executor.execute(PushStatements.waiting, [.int64(id.rawValue)])
        guard result.rowCount > 0 else { return nil }
        return result.optionalString(0, 0).map { .user($0) } ?? .topic(result.string(0, 1))
    }

    /// Takes a message back. Returns whether this call did. Fails with SQLSTATE 55P03 while another transaction holds
    /// it.
    ///
    /// - Parameter actor: who wants it, for `belfry.audit`.
    public func cancel(_ id: MessageID, actor: String) async throws(PostgresError) -> Bool {
        try await executor.execute(PushStatements.cancel, [.int64(id.rawValue), .text(actor)]).bool(0, 0)
    }

    private static func values(_ rows: [SendRow], _ json: [UInt8]) -> [PostgresValue] {
        [
            .bytes(json),
            .textArray(rows.map { row in if case .user(let user) = row.address { user } else { "" } }),
            .textArray(rows.map { row in if case .topic(let topic) = row.address { topic } else { "" } }),
            .textArray(rows.map(\.type)), .textArray(rows.map(\.headers)),
            .int64Array(rows.map { $0.notBeforeMilliseconds ?? 0 }),
            .int64Array(rows.map { $0.expiresAtMilliseconds ?? 0 }), .textArray(rows.map { $0.idempotencyKey ?? "" }),
        ]
    }
}

/// The text of its statements.
///
/// None waits for a lock for longer than `NodeMarkStatements.patience`.
enum PushStatements {
    /// A server process that hangs holds up what others ask for on its connection.
    private static let timeLimit = Duration.seconds(20)

    /// $1: a JSON array. $2 to $8: a column each, a row in each place.
    private static let asked = """
        asked as (
            select w.place, nullif(w.receiver, '') as receiver, nullif(w.topic, '') as topic, w.type,
                coalesce(j.value -> 'data', 'null') as data,
                case when w.headers <> '' then w.headers::jsonb end as headers,
                case when w.not_before > 0 then to_timestamp(w.not_before / 1000.0::float8) end as not_before,
                case when w.expires_at > 0 then to_timestamp(w.expires_at / 1000.0::float8) end as expires_at,
                nullif(w.idempotency_key, '') as idempotency_key
            from jsonb_array_elements($1::jsonb) with ordinality as j(value, place)
            join unnest(
                $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[]
            ) with ordinality as w(
                receiver, topic, type, headers, not_before, expires_at, idempotency_key, place)
                on w.place = j.place
        )
        """

    /// Plan: an insert; the keys by the unique index.
    static let push = PostgresStatement(
        "belfry_push",
        """
        with \(NodeMarkStatements.patience), \(asked), inserted as (
            insert into belfry.message_log (
                receiver, topic, type, data, headers, not_before, expires_at, idempotency_key)
            select a.receiver, a.topic, a.type, a.data, a.headers, a.not_before, a.expires_at, a.idempotency_key
            from asked a
            where (select p.milliseconds from patience p) <> '' and a.place <> all ($9::bigint[])
            order by a.place
            returning id, idempotency_key
        )
        select i.id, i.idempotency_key from inserted i order by i.id
        """, timeLimit: timeLimit)

    /// Plan: for each row message_log by the unique index on idempotency_key.
    static let earlier = PostgresStatement(
        "belfry_push_earlier",
        """
        with \(NodeMarkStatements.patience), \(asked)
        select a.place, m.id,
            m.receiver is not distinct from a.receiver and m.topic is not distinct from a.topic and m.type = a.type
                and m.data = a.data
        from asked a
        cross join lateral (
            select m.* from belfry.message_log m where m.idempotency_key = a.idempotency_key limit 1
        ) m
        where (select p.milliseconds from patience p) <> ''
        """, timeLimit: timeLimit)

    /// Plan: message_log by primary key.
    static let waiting = PostgresStatement(
        "belfry_push_waiting",
        """
        select m.receiver, m.topic from belfry.message_log m
        where m.id = $1::bigint and m.status in ('pending', 'parked')
        """, timeLimit: timeLimit)

    static let cancel = PostgresStatement(
        "belfry_push_cancel",
        """
        with \(NodeMarkStatements.patience)
        select belfry.cancel_for(u.id, $2)
        from (select case when p.milliseconds <> '' then $1::bigint end as id from patience p offset 0) u
        """, timeLimit: timeLimit)
}
