import Floors

/// The undelivered messages of `reconnect`, and how they are put back after every round.
struct ReconnectBacklog {
    static let users = 10_000
    static let messagesEach = 5
    static let count = users * messagesEach

    /// The id of a user.
    static func user(_ number: Int) -> String { "user-\(number)" }

    private let connection: BareConnection

    /// Writes the messages, waits until the relay has published them, and remembers their outbox rows.
    init(_ url: String) async throws {
        connection = try BareConnection(url: url)
        try connection.execute("truncate belfry.outbox")
        try connection.execute("drop table if exists belfry.reconnect_backlog")
        // A user's messages lie apart in the table, as they would after a day of other users' messages.
        try connection.execute(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'user-' || (n % \(Self.users)), 'STRING_MSG',
                to_jsonb(lpad(n::text, 12, '0') || repeat('x', \(MessageBatch.textBytes - 12)))
            from generate_series(0, \(Self.count - 1)) n
            """)
        try await poll("the relay to publish the backlog") {
            """
            select count(*) from belfry.outbox o, belfry.relay_cursor c
            where not pg_visible_in_snapshot(o.xid, c.snapshot)
                and not coalesce(
                    pg_visible_in_snapshot(o.xid, c.target)
                        and (o.xid, o.message_id) <= (c.position_xid, c.position_id), false)
            """
        }
        try connection.execute("create table belfry.reconnect_backlog as select * from belfry.outbox")
        try connection.execute("vacuum analyze belfry.message_log")
        try restore()
    }

    /// The id of the node that runs.
    func node() throws -> String {
        let result = try connection.execute("select id from belfry.node order by heartbeat_at desc limit 1")
        guard result.rowCount == 1 else { throw BenchmarkError("belfry.node holds no node.") }
        return result.string(0, 0)
    }

    /// Waits until the node has given back what its ended sessions had not acknowledged, and puts the rows back as they
    /// were.
    func restoreWhenClosed() async throws {
        try await poll("the node to end its sessions") { "select count(*) from belfry.session" }
        try restore()
    }

    /// Removes the session rows of a reading that no node did.
    func restoreWithoutSessions() throws {
        try connection.execute("truncate belfry.session")
        try restore()
    }

    /// Removes what was written.
    func remove() throws {
        try connection.execute("drop table belfry.reconnect_backlog; truncate belfry.outbox")
    }

    private func restore() throws {
        let left = try connection.number("select count(*) from belfry.outbox")
        guard left == Self.count || left == 0 else {
            throw BenchmarkError("\(Self.count - left) messages left the outbox although nobody acknowledged them.")
        }
        try connection.execute(
            "begin; truncate belfry.outbox; insert into belfry.outbox select * from belfry.reconnect_backlog; commit")
        try connection.execute("vacuum analyze belfry.outbox")
        try connection.execute("vacuum analyze belfry.session")
        try connection.execute("checkpoint")
    }

    /// Waits until a count is zero.
    private func poll(_ what: String, _ sql: () -> String) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try connection.number(sql()) > 0 {
            guard ContinuousClock.now < deadline else { throw BenchmarkError("Waited 30 s for \(what).") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
