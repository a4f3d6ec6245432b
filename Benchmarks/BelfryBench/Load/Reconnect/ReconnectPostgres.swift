import Floors
import Foundation
import Synchronization

/// PostgreSQL's own time for the backlogs of many users: the statement that Belfry's node sends, in the same batches,
/// from a plain libpq client that throws the answers away.
enum ReconnectPostgres {
    /// Users in one statement, as on an event loop of the node.
    static let readsMax = 64
    /// Rows of one user's page, the default of `limits.backlogRowsMax`.
    static let rowsMax = 200
    /// Statements that a node has under way on two cores: one an event loop.
    static let connections = 2

    /// Reads the backlogs of all users.
    ///
    /// - Parameters:
    ///   - users: their ids, without characters that an array's text would quote.
    ///   - node: the id of a row in `belfry.node`.
    ///   - expected: how many messages there are.
    /// - Returns: seconds, connecting not included.
    static func read(
        _ url: String, users: [String], node: String, connections count: Int = connections, expecting expected: Int
    ) async throws -> Double {
        let next = Next()
        let batches = stride(from: 0, to: users.count, by: readsMax).map {
            values(users[$0..<min($0 + readsMax, users.count)], node: node)
        }
        let clients = try (0..<count).map { _ in
            let client = try BareConnection(url: url)
            // As on the node's connections: without them a plan may read all of a table that was small a moment ago.
            try client.execute("set enable_bitmapscan = off; set enable_seqscan = off; set jit = off")
            try client.prepare("backlog", statement)
            return client
        }
        let began = ContinuousClock.now
        let rows = try await withThrowingTaskGroup(of: Int.self) { group in
            for client in clients { group.addTask { try await onOwnThread { try read(next, batches, client) } } }
            return try await group.reduce(0, +)
        }
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        guard rows == expected else { throw BenchmarkError("PostgreSQL returned \(rows) of \(expected) messages.") }
        return seconds
    }

    /// Reads batches until none is left; the messages in them.
    private static func read(_ next: Next, _ batches: [[String]], _ client: BareConnection) throws -> Int {
        var rows = 0
        while true {
            let batch = next.number.add(1, ordering: .relaxed).oldValue
            guard batch < batches.count else { return rows }
            // The first row holds the snapshot.
            rows += try client.execute(prepared: "backlog", batches[batch]).rowCount - 1
        }
    }

    /// The batch that nobody has taken yet.
    private final class Next: Sendable {
        let number = Atomic<Int>(0)
    }

    private static func values(_ users: ArraySlice<String>, node: String) -> [String] {
        func array(_ values: some Sequence<String>) -> String { "{\(values.joined(separator: ","))}" }
        let sessions = users.map { _ in UUID().uuidString }
        return [
            node, array(sessions), array(users), array(users), array(users.map { _ in "0" }),
            array(users.map { _ in "\"\"" }), array(users.map { _ in "\"\"" }), array(sessions),
            "\(rowsMax)",
        ]
    }

    /// The text of `NodeStatements.readBacklog`.
    static let statement =
        """
        with opened as (
            insert into belfry.session (id, node_id, receiver)
            select s.id::uuid, $1::uuid, s.receiver from unnest($2::text[], $3::text[]) as s(id, receiver)
            on conflict (id) do nothing
        )
        select 0::bigint as place, null::bigint, null::text, null::boolean, null::text, \
        (select i.id::text from belfry.incarnation i where i.only_row),
            pg_current_snapshot()::text, null::bigint, null::bigint
        union all
        (select r.place, b.message_id, b.xid::text, b.redelivered or other.present,
            belfry.header_lines((b.l).headers), belfry.body(b.l), null, b.candidates,
            (date_part('epoch', (b.l).created_at) * 1000000)::bigint
        from unnest($4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[]) with ordinality
            as r(receiver, after, snapshot, covered, session_id, place)
        cross join lateral (
            select exists (
                select 1 from belfry.session s
                where s.receiver = r.receiver and s.id <> r.session_id::uuid) as present
            offset 0
        ) as other
        cross join lateral (
            select p.*, count(*) over () as candidates,
                sum(pg_column_size((p.l).data)) over (
                    order by p.message_id rows between unbounded preceding and 1 preceding) as bytes_before
            from (
                select o.message_id, o.xid, o.redelivered, l
                from belfry.outbox o join belfry.message_log l on l.id = o.message_id
                where o.receiver = r.receiver and o.message_id > r.after
                    and (r.snapshot = '' or pg_visible_in_snapshot(o.xid, nullif(r.snapshot, '')::pg_snapshot)
                        or o.xid >= pg_snapshot_xmax(pg_current_snapshot()))
                    and (r.covered = '' or not pg_visible_in_snapshot(o.xid, nullif(r.covered, '')::pg_snapshot))
                    and o.not_before is null and (o.expires_at is null or o.expires_at > now())
                order by o.message_id
                limit $9::bigint
            ) as p
        ) as b
        where b.bytes_before is null or b.bytes_before < 524288
        order by r.place, b.message_id)
        """
}
