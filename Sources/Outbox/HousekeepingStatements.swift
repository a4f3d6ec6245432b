import Postgres

/// The leader's housekeeping. Every statement may run twice, or on two relays at once, without harm. None waits for a
/// message's or a session's row: those that another transaction holds are left for the next time.
enum HousekeepingStatements {
    /// Without a heart-beat for this long a node is dead. Its own lease (`NodeLease`) ends earlier.
    static let nodeSilenceMax = "15 seconds"

    /// Plan: the ends of the partial indexes on not_before, expires_at and published_at; node, session and restart are
    /// small.
    static let dues = PostgresStatement(
        "",
        """
        select
            (select (extract(epoch from min(not_before) - clock_timestamp()) * 1000)::bigint from belfry.outbox
                where not_before is not null),
            (select (extract(epoch from min(expires_at) - clock_timestamp()) * 1000)::bigint from belfry.outbox
                where expires_at is not null),
            (select (extract(epoch from min(published_at) - clock_timestamp()) * 1000)::bigint + $1::bigint
                from belfry.outbox where published_at is not null),
            exists (select from belfry.node where heartbeat_at < clock_timestamp() - interval '\(nodeSilenceMax)')
                or exists (
                    select from belfry.session s
                    where s.opened_at < clock_timestamp() - interval '60 seconds'
                        and not exists (select from belfry.node n where n.id = s.node_id)),
            exists (select from belfry.restart r, belfry.relay_cursor c where c.shard = 0 and c.restart_stamp is null)
        """)

    /// When broadcasts were published that an advance could not note: all that the cursor has passed. Plan: outbox
    /// (topic, …).
    static let notePublished = PostgresStatement(
        "",
        """
        with missed as materialized (
            select o.message_id from belfry.outbox o, belfry.relay_cursor c
            where o.topic is not null and o.published_at is null and o.not_before is null and c.shard = 0
                and pg_visible_in_snapshot(o.xid, c.snapshot)
        ), free as materialized (
            select o.message_id from missed m join belfry.outbox o on o.message_id = m.message_id
            for update of o skip locked
        ), noted as (
            update belfry.outbox o set published_at = clock_timestamp() from free f where o.message_id = f.message_id
        )
        select (select count(*) from missed) - (select count(*) from free)
        """)

    /// What sessions of killed nodes may have been shown is marked, and nodes and sessions go, all in one: a session's
    /// row stays until all of its user's messages are marked, so that one that another transaction holds keeps it for a
    /// while. Plan: node and session are small; index outbox (receiver, …).
    static let removeDeadNodes = PostgresStatement(
        "",
        """
        with dead as (
            delete from belfry.node where heartbeat_at < clock_timestamp() - interval '\(nodeSilenceMax)' returning id
        ), ended as materialized (
            select s.id, s.receiver from belfry.session s
            where s.node_id in (select id from dead)
                or (s.opened_at < clock_timestamp() - interval '60 seconds'
                    and not exists (select from belfry.node n where n.id = s.node_id))
            for update of s skip locked
        ), shown as materialized (
            select o.message_id, o.receiver from belfry.outbox o
            where o.receiver in (select receiver from ended) and not o.redelivered
        ), free as materialized (
            select o.message_id from shown s join belfry.outbox o on o.message_id = s.message_id
            for update of o skip locked
        ), marked as (
            update belfry.outbox o set redelivered = true from free f where o.message_id = f.message_id
            returning o.message_id
        ), gone as (
            delete from belfry.session s using ended e
            where s.id = e.id and not exists (
                select 1 from shown w
                where w.receiver = e.receiver and not exists (select 1 from free f where f.message_id = w.message_id))
            returning s.id
        )
        select (select count(*) from dead), (select count(*) from gone), (select count(*) from marked)
        """)

    /// A failed publish: postponed, by being held back, or parked after `$4` tries. The stamp must be the one that was
    /// published, so that a message stamped anew meanwhile is not blamed. Plan: by primary key.
    static let recordFailure = PostgresStatement(
        "",
        """
        with queued as materialized (
            select o.message_id, o.attempts + 1 as attempts, o.attempts + 1 >= $4::bigint as is_last
            from belfry.outbox o where o.message_id = $1::bigint and o.xid = $2::text::xid8
            for update of o skip locked
        ), logged as materialized (
            select l.id from queued q join belfry.message_log l on l.id = q.message_id
            where q.is_last for no key update of l skip locked
        ), postponed as (
            update belfry.outbox o
            set attempts = q.attempts, last_error = $3,
                not_before = clock_timestamp() + $5::bigint * interval '1 millisecond'
            from queued q where o.message_id = q.message_id and not q.is_last
            returning o.message_id
        ), gone as (
            delete from belfry.outbox o using queued q
            where o.message_id = q.message_id and q.is_last
                and (exists (select 1 from logged)
                    or not exists (select 1 from belfry.message_log l where l.id = $1::bigint))
            returning o.message_id, q.attempts
        ), parked as (
            insert into belfry.parked (message_id, reason, attempts)
            select g.message_id, $3, g.attempts from gone g join logged l on l.id = g.message_id
            on conflict (message_id) do update
            set reason = excluded.reason, attempts = excluded.attempts, parked_at = excluded.parked_at
        ), marked as (
            update belfry.message_log l set status = 'parked', status_reason = $3
            from gone g join logged k on k.id = g.message_id where l.id = g.message_id and l.status = 'pending'
        )
        select case when exists (select 1 from postponed) then 'postponed'
            when exists (select 1 from gone) then 'parked'
            when exists (
                select 1 from belfry.outbox o where o.message_id = $1::bigint and o.xid = $2::text::xid8) then 'held'
            else 'gone' end
        """)

    /// An ACK and a NACK at the same moment may leave a parked row of a delivered message. Plan: parked is small;
    /// message_log by primary key.
    static let tidyParked = PostgresStatement(
        "",
        """
        with free as materialized (
            select p.message_id from belfry.parked p join belfry.message_log m on m.id = p.message_id
            where m.status <> 'parked' for update of p skip locked
        )
        delete from belfry.parked p using free f where p.message_id = f.message_id
        """)

    /// Messages that came in without the trigger and are queued by now, or need not be. Plan: unqueued is small.
    static let tidyUnqueued = PostgresStatement(
        "",
        """
        with free as materialized (
            select u.message_id from belfry.unqueued u
            where not exists (
                    select 1 from belfry.message_log m where m.id = u.message_id and m.status = 'pending')
                or exists (select 1 from belfry.outbox o where o.message_id = u.message_id)
            order by u.message_id limit \(DueRows.batchRows) for update of u skip locked
        )
        delete from belfry.unqueued u using free f where u.message_id = f.message_id
        """)

    /// Plan: a scan of the outbox's smallest index; sent every ten seconds at most. What was inserted without the
    /// trigger is counted after a minute, as a restore may bring the outbox's rows after those of the log.
    static let countMessages = PostgresStatement(
        "",
        """
        select (select count(*) from belfry.outbox), (select count(*) from belfry.parked),
            (select count(*) from belfry.unqueued where noted_at < clock_timestamp() - interval '1 minute')
        """)
}
