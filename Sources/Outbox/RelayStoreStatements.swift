import Postgres

/// The text of every statement that the relay's loop sends, with the plan it relies on.
enum RelayStatements {
    /// Rows of a page; the same as `Limits.claimRowsMax`. A constant in the text, so that every plan knows it.
    static let pageRows = 1_000
    /// Stored bytes of `data` after which a page ends, so that a page of large messages stays small in memory.
    static let pageBytes = 8 * 1024 * 1024

    /// The next leader's term. In lease mode (`$2`) only when no other relay gave a sign of life for two seconds.
    /// Plan: by primary key.
    static let takeOver = PostgresStatement(
        "belfry_relay_take_over",
        """
        update belfry.relay_cursor c
        set term = c.term + 1, relay = $1, leader_seen_at = clock_timestamp()
        from pg_control_system() s
        where c.shard = 0
            and (not $2::boolean or c.relay is null or c.relay = $1 or c.leader_seen_at is null
                or c.leader_seen_at < clock_timestamp() - interval '2 seconds')
        returning c.term, c.snapshot::text, c.target::text, c.position_xid::text, c.position_id,
            c.system_identifier is distinct from s.system_identifier
        """)

    /// The snapshot from which a relay in another cluster starts over. It must come before the transaction has an id:
    /// a snapshot never lists the transaction that takes it as running.
    static let presentSnapshot = PostgresStatement("", "select pg_current_snapshot()::text")

    /// Plan: a sequential scan; once in the life of a cluster.
    static let stampEverything = PostgresStatement("", "update belfry.outbox set xid = pg_current_xact_id()")

    /// Plan: by primary key.
    static let startOver = PostgresStatement(
        "",
        """
        update belfry.relay_cursor
        set snapshot = $2::pg_snapshot, target = null, position_xid = null, position_id = null,
            system_identifier = (select system_identifier from pg_control_system())
        where shard = 0 and term = $1
        """)

    /// A page of the rows that are visible in the target ($2; null: the present snapshot) and not in the cursor's
    /// snapshot ($1), after the position ($3, $4), and a head row with the target.
    ///
    /// Plan: three scans of the index outbox (xid, message_id), each in order and each stopping at the limit: the rest
    /// of the transaction in which the last page ended, when that one ran under $1; the others that ran under $1; and
    /// what began after $1. Each has one lower bound, as a second one would make every page walk from the first. Then
    /// message_log by primary key: for the sizes, and again for the rows of the page.
    static let page = PostgresStatement(
        "belfry_relay_page",
        """
        with page as materialized (
            (select o.message_id, o.xid, o.receiver, o.topic, o.not_before, o.expires_at
            from belfry.outbox o
            where o.xid = $3::xid8 and o.message_id > $4::bigint
                and $3::xid8 < pg_snapshot_xmax($1::pg_snapshot)
                and pg_visible_in_snapshot(o.xid, coalesce($2::pg_snapshot, pg_current_snapshot()))
            order by o.xid, o.message_id limit \(pageRows))
            union all
            (select o.message_id, o.xid, o.receiver, o.topic, o.not_before, o.expires_at
            from belfry.outbox o
            where o.xid = any(array(select x from pg_snapshot_xip($1::pg_snapshot) x where x > $3::xid8))
                and pg_visible_in_snapshot(o.xid, coalesce($2::pg_snapshot, pg_current_snapshot()))
            order by o.xid, o.message_id limit \(pageRows))
            union all
            (select o.message_id, o.xid, o.receiver, o.topic, o.not_before, o.expires_at
            from belfry.outbox o
            where (o.xid, o.message_id) > (
                    greatest($3::xid8, pg_snapshot_xmax($1::pg_snapshot)),
                    case when $3::xid8 >= pg_snapshot_xmax($1::pg_snapshot) then $4::bigint else 0 end)
                and o.xid < pg_snapshot_xmax(coalesce($2::pg_snapshot, pg_current_snapshot()))
                and pg_visible_in_snapshot(o.xid, coalesce($2::pg_snapshot, pg_current_snapshot()))
            order by o.xid, o.message_id limit \(pageRows))
            order by xid, message_id limit \(pageRows)
        ), sized as (
            select p.*, count(*) over () as candidates,
                sum(coalesce(pg_column_size(l.data), 0)) over (
                    order by p.xid, p.message_id rows between unbounded preceding and 1 preceding) as bytes_before
            from page p left join belfry.message_log l on l.id = p.message_id
        )
        select null::bigint, s.target::text, pg_snapshot_xmin(s.target)::text, null::text, null::bigint, null::bigint,
            (select is_called from belfry.doorbell), null::text, null::text, null::bigint
        from (select coalesce($2::pg_snapshot, pg_current_snapshot()) as target) s
        union all
        (select p.message_id, p.xid::text, p.receiver, p.topic,
            ceil(extract(epoch from p.expires_at) * 1000)::bigint,
            (extract(epoch from clock_timestamp() - l.created_at) * 1000)::bigint,
            c.ready,
            case when c.ready then belfry.header_lines(l.headers) end,
            case when c.ready then belfry.body(l) end,
            p.candidates
        from sized p left join belfry.message_log l on l.id = p.message_id
            cross join lateral (
                select p.not_before is null and (p.expires_at is null or p.expires_at > now()) and l.id is not null
                    as ready) c
        where p.bytes_before is null or p.bytes_before < \(pageBytes)
        order by p.xid, p.message_id)
        """)

    /// Moves the cursor, which at the same time is the leader's sign of life, and notes when broadcasts were published.
    ///
    /// Without waiting for the disk: a crash of PostgreSQL that loses it repeats what the nodes know already. Plan: by
    /// the row's address ($7), because while a long transaction holds vacuum back every other way to the row walks over
    /// all its dead versions; outbox by primary key.
    static let advance = PostgresStatement(
        "belfry_relay_advance",
        """
        with broadcasts as (
            update belfry.outbox set published_at = clock_timestamp()
            where message_id = any($6::bigint[]) and topic is not null and published_at is null
        )
        update belfry.relay_cursor c
        set snapshot = $2::pg_snapshot, target = $3::pg_snapshot, position_xid = $4::xid8, position_id = $5::bigint,
            advanced_at = clock_timestamp(), leader_seen_at = clock_timestamp()
        from (select set_config('synchronous_commit', 'off', true) as setting) s
        where c.ctid = $7::tid and c.shard = 0 and c.term = $1::bigint and s.setting = 'off'
        returning c.ctid::text
        """)

    /// Where the cursor's row lies, while the term is still this one. Plan: by primary key.
    static let locate = PostgresStatement(
        "belfry_relay_locate", "select ctid::text from belfry.relay_cursor where shard = 0 and term = $1::bigint")

    /// A sign of life, and a look at the doorbell. Plan: by the row's address, as for `advance`.
    static let beat = PostgresStatement(
        "belfry_relay_beat",
        """
        update belfry.relay_cursor c set leader_seen_at = clock_timestamp()
        from belfry.doorbell d
        where c.ctid = $2::tid and c.shard = 0 and c.term = $1::bigint
        returning c.ctid::text, d.last_value, d.is_called
        """)

    /// Lets the next relay take over at once. Plan: by primary key.
    static let resign = PostgresStatement(
        "belfry_relay_resign",
        "update belfry.relay_cursor set leader_seen_at = null where shard = 0 and term = $1::bigint")

    /// Sets the doorbell, unless another relay leads. Takes effect at once, not at the commit. Plan: by primary key.
    static let setDoorbell = PostgresStatement(
        "belfry_relay_set_doorbell",
        "select setval('belfry.doorbell', $2::bigint, true) from belfry.relay_cursor where shard = 0 and term = $1::bigint")

    /// A transaction id that is above those of all writers that found the doorbell as it was before it was armed.
    static let takeTransactionID = PostgresStatement(
        "belfry_relay_take_transaction_id", "select pg_current_xact_id()::text")

    /// Rings every relay that listens; for probes.
    static let notify = PostgresStatement("", "select pg_notify($1, $2)")
}
