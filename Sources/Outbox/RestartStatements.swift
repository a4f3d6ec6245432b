import Postgres

/// The text of the statements with which a relay starts over in another cluster than the cursor's, with the plan each
/// relies on.
///
/// Every row that is there is stamped with a number below all transaction ids that this cluster has given out (initdb
/// alone takes over 700), and the cursor becomes the snapshot under which the rows were listed, in which that number,
/// and nothing else, still runs. So these rows come first, by message id, and those of transactions that had not
/// committed then after them. A transaction's id would put them behind writers that began before.
///
/// It goes in committed batches, and the next leader goes on where one has ended: first all rows are listed under one
/// snapshot, which is kept, then they are stamped, some thousands at a time.
enum RestartStatements {
    /// Rows that one statement stamps at most.
    static let batchRows = 20_000

    /// What an earlier leader has begun in this cluster. Plan: by primary key.
    static let begun = PostgresStatement(
        "",
        """
        select c.restart_stamp::text
        from belfry.relay_cursor c, pg_control_system() s
        where c.shard = 0 and c.term = $1::bigint and c.restart_stamp is not null
            and c.restart_system_identifier = s.system_identifier
        """)

    /// Lists every row and returns the snapshot under which it did. What is listed already stays so.
    /// Plan: all of the outbox by its primary key; once in the life of a cluster.
    static let list = PostgresStatement(
        "",
        """
        with listed as (
            insert into belfry.restart (message_id)
            select o.message_id from belfry.outbox o
            on conflict (message_id) do nothing
        )
        select pg_current_snapshot()::text
        """)

    /// Keeps stamp ($2) and snapshot ($3), so that another leader goes on with them. Plan: by primary key.
    static let begin = PostgresStatement(
        "",
        """
        update belfry.relay_cursor c
        set restart_stamp = $2::text::xid8, restart_snapshot = $3::pg_snapshot,
            restart_system_identifier = s.system_identifier
        from pg_control_system() s
        where c.shard = 0 and c.term = $1::bigint
        returning c.term
        """)

    /// Stamps those rows of `batch` that can be had, and takes them off the list, with those that the outbox has no
    /// more.
    private static func stampingBatch(with xid: String) -> String {
        """
        free as materialized (
            select o.message_id from batch b join belfry.outbox o on o.message_id = b.message_id
            for update of o skip locked
        ), stamped as (
            update belfry.outbox o set xid = \(xid) from free f where o.message_id = f.message_id
        ), done as (
            delete from belfry.restart r using batch b
            where r.message_id = b.message_id
                and (exists (select 1 from free f where f.message_id = b.message_id)
                    or not exists (select 1 from belfry.outbox o where o.message_id = b.message_id))
        )
        """
    }

    /// Stamps ($2) the next rows of the list after $1. Rows that another transaction holds stay on the list.
    /// The answer: the last row that was looked at, null when there was none.
    /// Plan: a range of restart's primary key, then outbox by primary key.
    static let stamp = PostgresStatement(
        "",
        """
        with batch as materialized (
            select r.message_id from belfry.restart r where r.message_id > $1::bigint
            order by r.message_id limit \(batchRows)
        ), \(stampingBatch(with: "$2::text::xid8"))
        select max(b.message_id) from batch b
        """)

    /// Makes the listing's snapshot, with the stamp as the one that runs, the cursor. What nodes know of the rows'
    /// stamps means nothing from now on, so this is another incarnation. Nor do transaction ids in the log, by which
    /// the watermarks of histories hold.
    /// Plan: by primary key.
    static let finish = PostgresStatement(
        "",
        """
        with changed as (
            update belfry.relay_cursor c
            set snapshot = (
                    c.restart_stamp::text || ':' || pg_snapshot_xmax(c.restart_snapshot)::text || ':'
                    || concat_ws(',', c.restart_stamp::text,
                        (select string_agg(x::text, ',' order by x) from pg_snapshot_xip(c.restart_snapshot) x))
                )::pg_snapshot,
                target = null, position_xid = null, position_id = null,
                system_identifier = c.restart_system_identifier,
                restart_stamp = null, restart_snapshot = null, restart_system_identifier = null
            where c.shard = 0 and c.term = $1::bigint and c.restart_stamp is not null
            returning c.snapshot::text as snapshot
        ), renamed as (
            update belfry.incarnation i set id = gen_random_uuid() where exists (select 1 from changed)
        ), histories as (
            update belfry.setting s
            set foreign_up_to = greatest(s.foreign_up_to, (select max(m.id) from belfry.message_log m))
            where exists (select 1 from changed)
        )
        select snapshot from changed
        """)

    /// Rows that were held when the relay started over come to the cursor like new ones. $1: after which row of the
    /// list. The answer: how many did, and the last row that was looked at.
    /// Plan: restart is empty but for these; outbox by primary key.
    static let stampRest = PostgresStatement(
        "",
        """
        with batch as materialized (
            select r.message_id from belfry.restart r
            where r.message_id > $1::bigint
                and exists (select 1 from belfry.relay_cursor c where c.shard = 0 and c.restart_stamp is null)
            order by r.message_id limit \(batchRows)
        ), \(stampingBatch(with: "pg_current_xact_id()"))
        select (select count(*) from free), (select max(b.message_id) from batch b)
        """)
}

extension RelayStore {
    /// In another cluster than the cursor's: stamps every row anew and starts from the present.
    ///
    /// - Parameter term: this relay's.
    /// - Returns: where to read from, or `nil` when another relay has taken over since.
    public func startOver(term: Int64) async throws(PostgresError) -> RelayCursor? {
        let stamp: String
        let begun = try await execute(RestartStatements.begun, [.int64(term)])
        if begun.rowCount > 0 {
            stamp = begun.string(0, 0)
        } else {
            // Another one each time, as nodes take the same message with the same stamp for a repeat.
            stamp = String(3 + term % 500)
            let snapshot = try await execute(RestartStatements.list).string(0, 0)
            let isOurs = try await execute(RestartStatements.begin, [.int64(term), .text(stamp), .text(snapshot)])
            guard isOurs.rowCount > 0 else { return nil }
        }
        var last: Int64 = 0
        while let reached = try await execute(RestartStatements.stamp, [.int64(last), .text(stamp)]).int64(0, 0) {
            last = reached
            guard try await leads(term: term) else { return nil }
        }
        let finished = try await execute(RestartStatements.finish, [.int64(term)])
        guard finished.rowCount > 0 else { return nil }
        return RelayCursor(snapshot: finished.string(0, 0))
    }

    /// Stamps what was held when this or an earlier leader started over. Returns how many rows the loop will find.
    public func stampRest() async throws(PostgresError) -> Int {
        var (count, last): (Int64, Int64) = (0, 0)
        while true {
            let result = try await execute(RestartStatements.stampRest, [.int64(last)])
            count += result.int64(0, 0) ?? 0
            guard let reached = result.int64(0, 1) else { return Int(count) }
            last = reached
        }
    }
}
