import BelfryModel
import Postgres

/// The text of every statement a node sends, with the plan it relies on.
enum NodeStatements {
    /// Stored bytes of `data` after which a page of one read ends, so that large messages do not fill the memory.
    static let pageBytes = 512 * 1024

    /// Plan: by primary key.
    static let heartBeat = PostgresStatement(
        "belfry_node_heart_beat",
        """
        insert into belfry.node as n (id, host, pid, listen, sessions, heartbeat_at)
        values ($1::uuid, $2, $3::bigint, $4, $5::bigint, now())
        on conflict (id) do update set heartbeat_at = now(), sessions = excluded.sessions
        returning n.xmax = 0, belfry.present_incarnation()::text,
            (select c.term from belfry.relay_cursor c where c.shard = 0), pg_current_xact_id()::text::bigint
        """)

    /// Plan: one row.
    static let presentIncarnation = PostgresStatement(
        "belfry_node_present_incarnation", "select belfry.present_incarnation()::text")

    /// The rows of sessions that could not be closed stay: what they were shown is not marked yet, and the relay does
    /// it. Plan: by primary key.
    static let leave = PostgresStatement(
        "belfry_node_leave", "delete from belfry.node where id = $1::uuid")

    /// The life of PostgreSQL in which an answer's transaction ids were given out; null after a crash, until somebody
    /// has asked for it by `belfry.present_incarnation`.
    static let incarnation = "(select i.id::text from belfry.incarnation i where i.only_row)"

    /// A row that is visible with a transaction id that was not given out yet comes from another cluster, and the relay
    /// is about to stamp it anew: it has its place in the order of ids.
    /// Plan: a nested loop over the reads, each an index scan on outbox (receiver, message_id) that stops at the limit,
    /// then message_log by primary key. `offset 0` looks for other sessions once a read, not once a row. The first row
    /// of the answer holds the statement's snapshot.
    static let readBacklog = PostgresStatement(
        "belfry_node_read_backlog",
        """
        with \(openedSessions)
        select 0::bigint as place, null::bigint, null::text, null::boolean, null::text, \(incarnation),
            pg_current_snapshot()::text, null::bigint, null::bigint
        union all
        \(backlogPages)
        """)

    static let openedSessions = """
        opened as (
            insert into belfry.session (id, node_id, receiver)
            select s.id::uuid, $1::uuid, s.receiver from unnest($2::text[], $3::text[]) as s(id, receiver)
            on conflict (id) do nothing
        )
        """

    static let backlogPages = """
        (select r.place, b.message_id, b.xid::text, b.redelivered or other.present,
            belfry.header_lines((b.l).headers), belfry.body(b.l), null, b.candidates,
            \(DeliveryMark.createdAt(of: "(b.l)"))
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
        where b.bytes_before is null or b.bytes_before < \(pageBytes)
        order by r.place, b.message_id)
        """

    /// Plan: an index scan on message_log (topic, id) that stops at the limit. A row still in the outbox tells its xid;
    /// one that left it was published long ago and is visible in any snapshot.
    static let readTopic = PostgresStatement(
        "belfry_node_read_topic",
        """
        select 0::bigint, null::bigint, null::text, null::boolean, null::text, \(incarnation),
            pg_current_snapshot()::text, null::bigint, null::bigint
        union all
        (select 1, (b.l).id, b.xid, false, belfry.header_lines((b.l).headers), belfry.body(b.l), null, b.candidates,
            \(DeliveryMark.createdAt(of: "(b.l)"))
        from (
            select p.*, count(*) over () as candidates,
                sum(pg_column_size((p.l).data)) over (
                    order by (p.l).id rows between unbounded preceding and 1 preceding) as bytes_before
            from (
                select l, coalesce(o.xid::text, '0') as xid
                from belfry.message_log l left join belfry.outbox o on o.message_id = l.id
                where l.topic = $1 and l.id > $2::bigint
                    and ($3 = '' or o.xid is null or pg_visible_in_snapshot(o.xid, nullif($3, '')::pg_snapshot))
                    and l.status not in ('cancelled', 'parked')
                    and o.not_before is null and (l.expires_at is null or l.expires_at > now())
                order by l.id
                limit $4::bigint
            ) as p
        ) as b
        where b.bytes_before is null or b.bytes_before < \(pageBytes)
        order by (b.l).id)
        """)

    /// While the bus works ($6) a user's rows that a relay at work has not published yet are its business, and not
    /// listed; one that has not moved for two seconds may be away, and then all are. Of a topic is listed what the last
    /// look ($3) did not see. A first look lists what was not published yet; one after another incarnation, in which
    /// that look's snapshot means nothing, also what was published since the first ($4, in Unix microseconds). Ids
    /// above $7 only. Plan: a nested loop over users and topics, each a walk of its part of outbox (receiver, …) or
    /// (topic, …).
    static let reconcile = PostgresStatement(
        "belfry_node_reconcile",
        """
        select \(incarnation), null::text, (date_part('epoch', clock_timestamp()) * 1000000)::bigint,
            pg_current_snapshot()::text, null::bigint
        union all
        select r.receiver, null, b.message_id, b.xid::text, null
        from (
            select (
                select c.snapshot from belfry.relay_cursor c
                where $6::boolean and c.shard = 0 and c.advanced_at > clock_timestamp() - interval '2 seconds'
            ) as published
            offset 0
        ) as c
        cross join unnest($1::text[]) as r(receiver)
        cross join lateral (
            select o.message_id, o.xid
            from belfry.outbox o
            where o.receiver = r.receiver and o.not_before is null
                and (o.expires_at is null or o.expires_at > now())
                and (c.published is null or pg_visible_in_snapshot(o.xid, c.published))
            order by o.message_id limit $5::bigint
        ) as b
        union all
        select null, r.topic, b.message_id, b.xid::text, b.created_at
        from unnest($2::text[], $3::text[], $4::bigint[], $7::bigint[]) as r(topic, covered, since, after)
        cross join lateral (
            select o.message_id, o.xid, case when r.covered = '' then (
                select \(DeliveryMark.createdAt(of: "l"))
                from belfry.message_log l where l.id = o.message_id) end as created_at
            from belfry.outbox o
            where o.topic = r.topic and o.message_id > r.after and o.not_before is null
                and (o.expires_at is null or o.expires_at > now())
                and case when r.covered <> '' then not pg_visible_in_snapshot(o.xid, nullif(r.covered, '')::pg_snapshot)
                    else o.published_at is null
                        or r.since > 0 and o.published_at >= to_timestamp(r.since / 1000000.0::float8) end
            order by o.message_id limit \(OutboxListing.topicRowsMax)
        ) as b
        """)

    /// Plan: outbox and message_log by primary key.
    static let readBroadcasts = PostgresStatement(
        "belfry_node_read_broadcasts",
        """
        select 0::bigint, null::bigint, null::text, null::boolean, null::text, \(incarnation),
            pg_current_snapshot()::text, null::bigint, null::bigint
        union all
        (select 1, b.message_id, b.xid::text, false, belfry.header_lines((b.l).headers), belfry.body(b.l), null, null,
            \(DeliveryMark.createdAt(of: "(b.l)"))
        from (
            select o.message_id, o.xid, l
            from belfry.outbox o join belfry.message_log l on l.id = o.message_id
            where o.message_id = any($1::bigint[]) and o.receiver is null and o.not_before is null
                and (o.expires_at is null or o.expires_at > now())
        ) as b
        order by b.message_id)
        """)
}
