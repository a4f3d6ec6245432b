import Postgres

/// The text of the statements of `TraceStore`.
enum TraceStatements {
    private static func seconds(_ column: String) -> String { "extract(epoch from \(column))::float8" }

    /// Plan: each table by primary key.
    static let books = PostgresStatement(
        "",
        """
        select \(seconds("clock_timestamp()")),
            (select case when s.is_called then s.last_value else 0 end from belfry.message_log_id_seq s),
            c.relay, c.term, \(seconds("c.leader_seen_at")),
            m.type, m.receiver, m.topic, m.status::text, m.status_reason, \(seconds("m.created_at")),
            -- By the transaction that wrote it; after a restore its number may be another's.
            case when current_setting('track_commit_timestamp') = 'on'
                    and m.xid::text::numeric between x.next - 2000000000 and x.next
                    and pg_xact_commit_timestamp(m.xid::xid) > m.created_at - interval '1 second'
                then \(seconds("pg_xact_commit_timestamp(m.xid::xid)")) end,
            \(seconds("m.delivered_at")), \(seconds("m.viewed_at")), \(seconds("m.hidden_at")),
            \(seconds("m.not_before")), \(seconds("m.expires_at")), octet_length(m.data::text)::bigint,
            o.attempts::bigint, \(seconds("o.not_before")), \(seconds("o.published_at")), o.redelivered, o.last_error,
            o.published_at is not null or o.not_before is null and (
                pg_visible_in_snapshot(o.xid, c.snapshot)
                or c.target is not null and pg_visible_in_snapshot(o.xid, c.target)
                    and (o.xid, o.message_id) <= (c.position_xid, c.position_id)),
            \(seconds("p.parked_at")), p.reason, p.attempts::bigint
        from (select $1::bigint as id) w
        cross join (select pg_snapshot_xmax(pg_current_snapshot())::text::numeric as next) x
        left join belfry.relay_cursor c on c.shard = 0
        left join belfry.message_log m on m.id = w.id
        left join belfry.outbox o on o.message_id = w.id
        left join belfry.parked p on p.message_id = w.id
        """)

    /// Whether nobody has the hops for themselves, or is about to. Plan: pg_locks.
    static let areHopsFree = PostgresStatement(
        "",
        """
        select not exists (
            select from pg_catalog.pg_locks l
            where l.relation = 'belfry.hop'::regclass and l.mode = 'AccessExclusiveLock'
                and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
                and l.pid <> pg_backend_pid())
        """)

    /// Plan: index hop_message.
    static let hops = PostgresStatement(
        "",
        """
        select \(seconds("h.at")), h.process, h.what, d.names, d.texts,
            case when current_setting('track_commit_timestamp') = 'on' and h.what = 'pickedUp'
                then \(seconds("pg_xact_commit_timestamp((h.details ->> 'xid')::xid8::xid)")) end,
            case when h.what = 'written' then h.details ->> 'role' end, h.details ->> 'application'
        from (
            select h.at, h.process, h.what, h.details from belfry.hop h where h.message_id = $1::bigint
            order by h.at limit \(TraceStore.hopsMax)
        ) h
        cross join lateral (
            select string_agg(e.key, U&'\\001F') as names,
                string_agg(replace(e.value, U&'\\001F', ' '), U&'\\001F') as texts
            from jsonb_each_text(h.details) e
        ) d
        order by h.at
        """)

    /// What operators did to a message ($1), or to messages to its address, of its type and its time.
    /// Plan: audit by its primary key, backwards.
    static let acts = PostgresStatement(
        "",
        """
        select \(seconds("a.at")), a.who, a.actor, a.act, a.is_named
        from (
            select a.id, a.at, a.who, a.actor, a.act, a.details,
                coalesce(a.details ->> 'id' = $1::text or a.details -> 'ids' ? $1::text, false) as is_named
            from (
                select * from belfry.audit a order by a.id desc limit \(TraceStore.actsLookedAt)
            ) a
            where a.act in ('replay', 'repair', 'replay_job_created', 'cancel')
                and a.at >= to_timestamp($5::float8) - interval '1 second'
        ) a
        where a.is_named
            -- Of many ids only the first hundred are kept.
            or a.details -> 'ids' -> 99 is not null and (a.details -> 'ids' ->> 99)::bigint < $1::bigint
                and coalesce((a.details ->> 'queued')::bigint, (a.details ->> 'count')::bigint, 0) > 100
            or a.act <> 'cancel' and not a.details ? 'ids' and coalesce((a.details ->> 'queued')::bigint, 1) > 0
                and coalesce(a.details ->> 'receiver' = $2::text, not a.details ? 'receiver')
                and coalesce(a.details ->> 'topic' = $3::text, not a.details ? 'topic')
                and coalesce(a.details ->> 'type' = $4::text, true)
                and coalesce((a.details ->> 'since')::timestamptz <= to_timestamp($5::float8), true)
                and coalesce((a.details ->> 'until')::timestamptz > to_timestamp($5::float8), true)
        order by a.id limit \(TraceStore.actsMax)
        """)

    /// Plan: pg_stat_activity.
    static let oldestWriter = PostgresStatement(
        "",
        """
        select \(seconds("a.xact_start")), a.pid::bigint, a.application_name
        from pg_stat_activity a
        where a.datname = current_database() and a.backend_xid is not null and a.pid <> pg_backend_pid()
        order by a.xact_start limit 1
        """)

    /// Plan: presence by its index on receiver; for a topic the table, which is small.
    static let sessions = PostgresStatement(
        "",
        """
        select p.id::text, \(seconds("p.opened_at")), n.listen || ' on ' || n.host, p.transport, p.address,
            exists (select from belfry.session s where s.id = p.id)
        from belfry.presence p
        join belfry.node n on n.id = p.node_id
        where p.close_reason is null
            and case when $1::text is not null then p.receiver = $1 else $2::text = any (p.topics) end
        order by p.opened_at desc limit \(TraceStore.sessionsMax)
        """)
}
