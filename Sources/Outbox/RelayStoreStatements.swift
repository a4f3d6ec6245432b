import BelfryModel
import Postgres

/// The text of every statement that the relay's loop sends, with the plan it relies on.
enum RelayStatements {
    /// Stored bytes of `data` after which a page ends, so that a page of large messages stays small in memory.
    static let pageBytes = 8 * 1024 * 1024

    private static let ownDatabase = "(select d.oid from pg_database d where d.datname = current_database())"

    /// The next leader's term, if there is no leader: the last one resigned, its backend has ended, it gave no sign of
    /// life for two seconds and is known by nothing else, or it is the one ($3) that was found to hang. `$2`: whether
    /// this connection is a session of PostgreSQL's own, so that its end is this relay's. Of several that try, one gets
    /// the row, and the others find its new holder alive. Where another role's backend is looked at, only its process
    /// id can be seen. In a copy of the database the row names a backend of the original's relay.
    /// Plan: by primary key.
    static let takeOver = PostgresStatement(
        "belfry_relay_take_over",
        """
        update belfry.relay_cursor c
        set term = c.term + 1, relay = $1, leader_seen_at = clock_timestamp(),
            backend_pid = case when $2::boolean then pg_backend_pid() end,
            backend_start = case when $2::boolean then own.backend_start end
        from pg_control_system() s, pg_stat_get_activity(pg_backend_pid()) own
        where c.shard = 0
            and (c.relay is null or c.relay = $1 or c.leader_seen_at is null or c.term = $3::bigint
                or case when c.backend_pid is null
                    then c.leader_seen_at < clock_timestamp() - interval '2 seconds'
                    else not exists (
                        select from pg_stat_get_activity(c.backend_pid) a
                        where a.datid = \(ownDatabase)
                            and (a.backend_start is null or a.backend_start = c.backend_start))
                    end)
        returning c.term, c.snapshot::text, c.target::text, c.position_xid::text, c.position_id,
            c.system_identifier is distinct from s.system_identifier
        """)

    /// From a lease to a connection that is known to be direct. Plan: by primary key.
    static let recordBackend = PostgresStatement(
        "belfry_relay_record_backend",
        """
        update belfry.relay_cursor c
        set backend_pid = pg_backend_pid(), backend_start = own.backend_start
        from pg_stat_get_activity(pg_backend_pid()) own
        where c.shard = 0 and c.term = $1::bigint
        returning c.term
        """)

    /// A leader that is silent although its backend lives, and does not work either: a stopped process, a machine that
    /// is stuck. One whose statement takes long is at work, whoever has to wait. Plan: by primary key.
    static let silentLeader = PostgresStatement(
        "",
        """
        select c.term, c.backend_pid
        from belfry.relay_cursor c
        where c.shard = 0 and c.backend_pid is not null
            and c.leader_seen_at < clock_timestamp() - $1::bigint * interval '1 millisecond'
            and not exists (
                select from pg_stat_get_activity(c.backend_pid) a
                where a.datid = \(ownDatabase) and a.state = 'active' and a.wait_event_type is distinct from 'Client')
        """)

    /// Ends the session of a leader that hangs, so that it neither holds anything nor publishes what it reads next; a
    /// role may end its own sessions (PostgreSQL docs, "Server Signaling Functions").
    static let endBackend = PostgresStatement(
        "",
        """
        select pg_terminate_backend(a.pid)
        from belfry.relay_cursor c
        cross join lateral pg_stat_get_activity(c.backend_pid) a
        where c.shard = 0 and c.term = $1::bigint and c.backend_pid is not null and a.datid = \(ownDatabase)
            and (a.backend_start is null or a.backend_start = c.backend_start)
        """)

    /// Plan: by primary key.
    static let leads = PostgresStatement(
        "", "select c.term from belfry.relay_cursor c where c.shard = 0 and c.term = $1::bigint")

    /// The life of PostgreSQL in which this term publishes. Plan: one row.
    static let incarnation = PostgresStatement("", "select belfry.present_incarnation()::text")

    /// A cursor that knows of no cluster, in place of one that somebody deleted. Plan: by primary key.
    static let restoreCursor = PostgresStatement(
        "", "insert into belfry.relay_cursor (shard, snapshot) values (0, '1:1:') on conflict do nothing")

    /// A page of the rows that are visible in the target ($2; null: the present snapshot) and not in the cursor's
    /// snapshot ($1), after the position ($3, $4), and a head row with the target. What lies beyond `pageBytes` comes
    /// without its text.
    ///
    /// Plan: three scans of the index outbox (xid, message_id + 0), each in order and each stopping at the limit: the
    /// rest of the transaction in which the last page ended, when that one ran under $1; the others that ran under $1;
    /// and what began after $1. Each has one lower bound, as a second one would make every page walk from the first.
    /// They are merged, not sorted, as all say `message_id + 0`. Then message_log by primary key: `offset 0` keeps the
    /// planner from reading all of a middling log instead. Large data stay where they are until the rows of the page
    /// are known. Times are floating-point numbers: arithmetic on `numeric`, which extract gives, took a tenth of the
    /// whole.
    ///
    /// - Parameter rows: the page's size; it stands in the text, so that every plan knows it.
    static func page(rows: Int) -> PostgresStatement {
        let columns =
            "o.message_id + 0 as message_id, o.xid, o.receiver, o.topic, o.not_before, o.expires_at, o.redelivered"
        let order = "order by o.xid, o.message_id + 0 limit \(rows)"
        return PostgresStatement(
            "belfry_relay_page_\(rows)",
            """
            select null::bigint, s.target::text, pg_snapshot_xmin(s.target)::text, null::text, null::bigint,
                null::bigint, (select is_called from belfry.doorbell), null::text, null::text, null::boolean,
                null::boolean, null::bigint
            from (select coalesce($2::pg_snapshot, pg_current_snapshot()) as target) s
            union all
            (select p.message_id, p.xid::text, p.receiver, p.topic,
                ceil(date_part('epoch', p.expires_at) * 1000)::bigint,
                case when p.xid = p.written_by then
                    (date_part('epoch', clock_timestamp() - p.created_at) * 1000)::bigint end, p.is_wanted,
                case when p.is_wanted and p.fits then belfry.header_lines(p.headers) end,
                case when p.is_wanted and p.fits then
                    belfry.body(p.id, p.type, p.log_receiver, p.log_topic, p.data, p.viewed_at, p.created_at) end,
                p.redelivered, p.fits, \(DeliveryMark.createdAt(of: "p"))
            from (
                select p.*, l.*,
                    l.id is not null and p.not_before is null and (p.expires_at is null or p.expires_at > now())
                        as is_wanted,
                    coalesce(
                        sum(pg_column_size(l.data)) over (
                            order by p.xid, p.message_id rows between unbounded preceding and 1 preceding),
                        0) < \(pageBytes) as fits
                from (
                    (select \(columns) from belfry.outbox o
                    where (o.xid, o.message_id + 0) > ($3::xid8, $4::bigint) and o.xid <= $3::xid8
                        and $3::xid8 < pg_snapshot_xmax($1::pg_snapshot)
                        and pg_visible_in_snapshot(o.xid, coalesce($2::pg_snapshot, pg_current_snapshot()))
                    \(order))
                    union all
                    (select \(columns) from belfry.outbox o
                    where o.xid = any(array(select x from pg_snapshot_xip($1::pg_snapshot) x where x > $3::xid8))
                        and pg_visible_in_snapshot(o.xid, coalesce($2::pg_snapshot, pg_current_snapshot()))
                    \(order))
                    union all
                    (select \(columns) from belfry.outbox o
                    where (o.xid, o.message_id + 0) > (
                            greatest($3::xid8, pg_snapshot_xmax($1::pg_snapshot)),
                            case when $3::xid8 >= pg_snapshot_xmax($1::pg_snapshot) then $4::bigint else 0 end)
                        and o.xid < pg_snapshot_xmax(coalesce($2::pg_snapshot, pg_current_snapshot()))
                        and pg_visible_in_snapshot(o.xid, coalesce($2::pg_snapshot, pg_current_snapshot()))
                    \(order))
                    order by xid, message_id limit \(rows)
                ) p
                left join lateral (
                    select m.id, m.type, m.receiver as log_receiver, m.topic as log_topic, m.data, m.headers,
                        m.viewed_at, m.created_at, m.xid as written_by
                    from belfry.message_log m where m.id = p.message_id offset 0
                ) l on true
            ) p
            order by p.xid, p.message_id)
            """)
    }

    /// Rows of the first page of a step that is expected to be short; one more is asked for, as the sign that it is
    /// not.
    static let shortPageRows = 64
    /// Transactions that ran under the cursor's snapshot, beyond which a short page is not tried.
    static let shortPageRunningMax = 64
    /// Stored bytes of `data` beyond which a row has no place in a short page.
    static let shortPageDataBytes = pageBytes / shortPageRows

    /// The same as the first page of a step, for when few messages come: with one row half of the work, most of which
    /// is setting up, not reading. What the present snapshot sees needs no other proof of being visible in the target.
    /// $1: the xmax of the cursor's snapshot, under which nothing ran.
    /// Plan: index outbox (xid, message_id + 0), then message_log by primary key; with `OutboxPlanning.sessionSettings`
    /// only.
    static let shortPage = PostgresStatement(
        "belfry_relay_short_page",
        shortPage(
            of: """
                belfry.outbox o
                left join belfry.message_log m on m.id = o.message_id
                where o.xid >= $1::xid8
                order by o.xid, o.message_id + 0
                limit \(shortPageRows + 1)
                """))

    /// The same where transactions ran under the cursor's snapshot: $2.
    /// Plan: two scans of the index outbox (xid, message_id + 0), merged, then message_log by primary key.
    static let shortPageAmongRunning = PostgresStatement(
        "belfry_relay_short_page_among_running",
        shortPage(
            of: """
                (
                    (select *, message_id + 0 as id from belfry.outbox where xid = any($2::xid8[])
                    order by xid, message_id + 0 limit \(shortPageRows + 1))
                    union all
                    (select *, message_id + 0 as id from belfry.outbox where xid >= $1::xid8
                    order by xid, message_id + 0 limit \(shortPageRows + 1))
                    order by xid, id limit \(shortPageRows + 1)
                ) o
                left join belfry.message_log m on m.id = o.message_id
                order by o.xid, o.id
                """))

    private static func shortPage(of rows: String) -> String {
        let fits = "coalesce(pg_column_size(m.data), 0) <= \(shortPageDataBytes)"
        return """
            select p.*, s.target::text
            from (select pg_current_snapshot() as target) s
            left join lateral (
                select o.message_id, o.xid::text, o.receiver, o.topic,
                    ceil(date_part('epoch', o.expires_at) * 1000)::bigint,
                    case when o.xid = m.xid then
                        (date_part('epoch', clock_timestamp() - m.created_at) * 1000)::bigint end,
                    m.id is not null and o.not_before is null and (o.expires_at is null or o.expires_at > now()),
                    case when \(fits) then belfry.header_lines(m.headers) end,
                    case when \(fits) then
                        belfry.body(m.id, m.type, m.receiver, m.topic, m.data, m.viewed_at, m.created_at) end,
                    o.redelivered, \(fits), \(DeliveryMark.createdAt(of: "m"))
                from \(rows)
            ) p on true
            """
    }

    /// Moves the cursor, which at the same time is the leader's sign of life, and notes when broadcasts were published,
    /// but for those whose rows another transaction holds; the answer says how many were noted.
    /// Without waiting for the disk: a crash of PostgreSQL that loses it repeats what was published in the last
    /// moments, up to three times `wal_writer_delay`. Nodes drop what they know of that.
    /// Plan: as `CursorUpdate` says; outbox by primary key.
    static let advance = CursorUpdate(
        "belfry_relay_advance",
        before: """
            with free as materialized (
                select o.message_id from belfry.outbox o
                where o.message_id = any($6::bigint[]) and o.published_at is null
                for update of o skip locked
            ), broadcasts as (
                update belfry.outbox o set published_at = clock_timestamp()
                where o.message_id = any(array(select f.message_id from free f))
            )
            update belfry.relay_cursor c
            set snapshot = $2::pg_snapshot, target = $3::pg_snapshot, position_xid = $4::xid8,
                position_id = $5::bigint, advanced_at = clock_timestamp(), leader_seen_at = clock_timestamp()
            from (select set_config('synchronous_commit', 'off', true) as setting) s
            where s.setting = 'off' and
            """,
        address: "$7", after: "returning c.ctid::text, (select count(*) from free)")

    /// The same at the end of a step without broadcasts, on a session that does not wait for the disk: half of the
    /// work.
    static let finishStep = CursorUpdate(
        "belfry_relay_finish_step",
        before: """
            update belfry.relay_cursor c
            set snapshot = $2::pg_snapshot, target = null, position_xid = null, position_id = null,
                advanced_at = clock_timestamp(), leader_seen_at = clock_timestamp()
            where
            """,
        address: "$3", after: "returning c.ctid::text")

    /// A sign of life, and a look at the doorbell. Plan: as `CursorUpdate` says.
    static let beat = CursorUpdate(
        "belfry_relay_beat",
        before: "update belfry.relay_cursor c set leader_seen_at = clock_timestamp() where",
        address: "$2",
        after: """
            returning c.ctid::text, (select last_value from belfry.doorbell), (select is_called from belfry.doorbell)
            """)

    /// Lets the next relay take over at once. Plan: by primary key.
    static let resign = PostgresStatement(
        "belfry_relay_resign",
        "update belfry.relay_cursor set leader_seen_at = null, backend_pid = null where shard = 0 and term = $1::bigint"
    )

    /// Sets the doorbell, unless another relay leads. Takes effect at once, not at the commit. Plan: by primary key.
    static let setDoorbell = PostgresStatement(
        "belfry_relay_set_doorbell",
        """
        select setval('belfry.doorbell', $2::bigint, true)
        from belfry.relay_cursor where shard = 0 and term = $1::bigint
        """)

    /// A transaction id that is above those of all writers that found the doorbell as it was before it was armed.
    static let takeTransactionID = PostgresStatement(
        "belfry_relay_take_transaction_id", "select pg_current_xact_id()::text")

    /// Rings every relay that listens; for probes.
    static let notify = PostgresStatement("", "select pg_notify($1, $2)")
}

/// An update of the cursor's row by its address, and the same by its key for when the address is not known or has
/// changed.
///
/// While a long transaction holds vacuum back, every way to the row but its address walks over all its dead versions,
/// which an hour of work leaves behind by the million.
struct CursorUpdate {
    let byAddress: PostgresStatement
    let byKey: PostgresStatement

    /// - Parameters:
    ///   - before: up to the condition; `c` is the cursor's table and `$1` the term.
    ///   - address: the parameter of the address, the last one.
    init(_ name: String, before: String, address: String, after: String) {
        let key = "c.shard = 0 and c.term = $1::bigint"
        byAddress = PostgresStatement(name, "\(before) c.ctid = \(address)::tid and \(key)\n\(after)")
        byKey = PostgresStatement("\(name)_by_key", "\(before) \(key)\n\(after)")
    }
}
