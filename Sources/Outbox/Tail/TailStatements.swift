import Postgres

/// The text of the statements of `TailStore`. None is prepared: they go through any pooler.
enum TailStatements {
    /// Where to begin, and which ids before that, $2 of them at most, are not there. With $1, a time, it begins with
    /// the first message that was written then or later.
    /// Plan: both ends of the primary key, a range of it, index only; with $1 first the ranges of the index
    /// message_log_created_at that are not older.
    static let start = PostgresStatement(
        "",
        """
        with b as materialized (
            select coalesce(
                case when $1::timestamptz is not null then (
                    select min(s.id) from (
                        select m.id from belfry.message_log m where m.created_at >= $1::timestamptz offset 0
                    ) s) end,
                (select m.id + 1 from belfry.message_log m where m.id < \(Int64.max) order by m.id desc limit 1),
                1) as first
        )
        select pg_current_snapshot()::text, b.first, g.low, g.high,
            pg_snapshot_xmax(pg_current_snapshot())::text::bigint
                + age(pg_snapshot_xmax(pg_current_snapshot())::xid)
        from b
        left join lateral (
            select coalesce(lag(k.id) over (order by k.id), greatest(b.first - $2::bigint, 1) - 1) + 1 as low,
                k.id - 1 as high
            from (
                select m.id from belfry.message_log m where m.id >= b.first - $2::bigint and m.id < b.first
                union all select b.first
            ) k
        ) g on g.low <= g.high
        order by g.low
        """)

    /// A page of the ranges $2 to $3, in the order of ids: its first row has the snapshot, the oldest xmin of
    /// statements that run, the next transaction's id, both read after the snapshot was taken, the ids that are there,
    /// and whether the page ended before the ranges did. The others are messages that are wanted. Of ranges with a
    /// bound ($4) only those are read below whose bound a transaction has ended since the snapshot $1.
    ///
    /// A snapshot's xmax comes behind the latest transaction that has ended, not behind the latest that has an id: some
    /// of those that run are in neither part of it. The next id is told by `age`, which stands for one moment
    /// throughout a statement.
    ///
    /// Plan: for each range the primary key, which ends with the page; the ranges are in order, so one page's rows are
    /// read whatever their number.
    static let look = PostgresStatement(
        "",
        """
        with look as materialized (
            select pg_current_snapshot() as snapshot, (
                select x
                from (
                    select x from pg_snapshot_xip($1::pg_snapshot) x
                    where pg_visible_in_snapshot(x, pg_current_snapshot())
                    union all
                    select pg_snapshot_xmax($1::pg_snapshot)
                    where pg_snapshot_xmax($1::pg_snapshot) < pg_snapshot_xmax(pg_current_snapshot())
                ) e (x)
                order by x limit 1) as ended
        ), page as materialized (
            select m.*,
                ($5::text[] is null or m.type = any($5))
                    and ($6::text[] is null and $7::text[] is null
                        or coalesce(m.topic = any($6), false) or coalesce(m.receiver = any($7), false))
                    and ($8::timestamptz is null or m.created_at >= $8) as is_wanted
            from (
                select r.low, r.high
                from look, unnest($2::bigint[], $3::bigint[], $4::text[]::xid8[]) r (low, high, bound)
                where r.bound = '0' or r.bound > look.ended
                order by r.low
            ) r
            cross join lateral (
                select l.* from belfry.message_log l where l.id between r.low and r.high
                order by l.id limit \(TailStore.rowsMax)
            ) m
            order by r.low, m.id limit \(TailStore.rowsMax)
        ), sized as materialized (
            select p.*,
                coalesce(
                    sum(case when p.is_wanted then pg_column_size(p.data) else 0 end) over (
                        order by p.id rows between unbounded preceding and 1 preceding),
                    0) < \(TailStore.bytesMax) as fits
            from page p
        )
        select l.snapshot::text,
            (select n.next - max(age(a.backend_xmin)) from pg_stat_get_activity(null) a
            where a.datid = (select d.oid from pg_database d where d.datname = current_database())
                and a.backend_xmin is not null and a.pid <> pg_backend_pid()),
            n.next,
            (select string_agg(s.id::text, ',' order by s.id) from sized s where s.fits),
            (select count(*) = \(TailStore.rowsMax) or not coalesce(bool_and(s.fits), true) from sized s),
            null::bigint, null::text, null::text, null::text, null::text, null::text
        from look l, lateral (
            select pg_snapshot_xmax(l.snapshot)::text::bigint + age(pg_snapshot_xmax(l.snapshot)::xid) as next
        ) n
        union all
        (select \(ExportStatements.time("created_at")), null, null, null, null, m.id, m.receiver, m.topic, m.type,
            m.status::text, case when $9::boolean then \(ExportStatements.object)::text else m.data::text end
        from sized m where m.is_wanted and m.fits order by m.id)
        """)

    /// Plan: by primary key.
    static let changes = PostgresStatement(
        "",
        """
        select m.id, m.status::text, \(ExportStatements.time("delivered_at")), m.status_reason
        from belfry.message_log m
        where m.id = any($1::bigint[]) and m.status <> 'pending'
        order by m.delivered_at, m.id
        """)
}
