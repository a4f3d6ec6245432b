import Floors

/// Fills and empties the tables of Belfry and of the bare relay, each through a connection of its owner.
struct MessageTables: Sendable {
    /// Users that backlogs are spread over: neighbours in the outbox are of different ones.
    static let users = 10_000
    /// The database of the floors, apart from Belfry's so that a NOTIFY in one wakes nobody in the other.
    static let floorDatabase = "belfry_floor"

    let belfry: BareConnection
    let floor: BareConnection

    /// Makes the floors' database anew.
    init(_ servers: ScenarioServers) throws {
        belfry = try BareConnection(url: servers.postgresURL)
        try belfry.execute("drop database if exists \(Self.floorDatabase) with (force)")
        try belfry.execute("create database \(Self.floorDatabase) encoding 'UTF8' template template0")
        floor = try BareConnection(url: servers.postgresURL, database: Self.floorDatabase)
        try floor.execute(BareRelay.schema)
    }

    /// Belfry's tables of messages without a row.
    func emptyBelfry() throws { try belfry.execute("truncate belfry.message_log, belfry.outbox, belfry.parked") }

    /// The bare relay's table without a row.
    func emptyFloor() throws { try floor.execute("truncate bare_outbox") }

    /// The Redis channel that Belfry publishes a user's messages to, with the default prefix.
    func channel(ofUser user: String) throws -> String {
        let installation = try belfry.execute("select replace(id::text, '-', '') from belfry.installation")
        return "belfry:\(installation.string(0, 0)):u:\(user)"
    }

    /// Puts messages numbered from 0 into Belfry's outbox, by one INSERT.
    func fillBelfry(_ count: Int) throws {
        try belfry.execute(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'user' || i % \(Self.users), 'STRING_MSG', to_jsonb(\(MessageText.sqlContent("i")))
            from generate_series(0, \(count - 1)) i
            """)
    }

    /// Does what a node does to acknowledge: takes the newest `count` messages out of the outbox and marks them.
    func acknowledgeBelfry(_ count: Int) throws {
        let acknowledged = try belfry.execute(
            """
            with newest as (select max(id) as id from belfry.message_log), gone as (
                delete from belfry.outbox where message_id > (select id - \(count) from newest) returning message_id
            )
            update belfry.message_log set status = 'delivered', delivered_at = now()
            where id > (select id - \(count) from newest) and status = 'pending'
                and (select count(*) from gone) is not null
            """)
        guard acknowledged.affectedRows == count else {
            throw BenchmarkError("\(acknowledged.affectedRows) messages were marked instead of \(count).")
        }
    }

    /// Puts the same messages into the bare relay's outbox, their bodies finished; and rings, when it is running.
    func fillFloor(_ count: Int) throws {
        try floor.execute(
            """
            with written as (
                insert into bare_outbox (channel, body)
                select 'floor:user' || i % \(Self.users),
                    '{"id":"' || i || '","type":"STRING_MSG","receiver":"user' || i % \(Self.users)
                        || '","data":"' || \(MessageText.sqlContent("i"))
                        || '","viewed":false,"created":' || floor(extract(epoch from now()) * 1000) || '}'
                from generate_series(0, \(count - 1)) i
            )
            select pg_notify('bare_outbox', '')
            """)
    }
}
