import BelfryModel
import Postgres

/// The text of the statements that mark messages, with the plan each relies on.
///
/// None of them waits for a lock that somebody else holds on a row of a message (but `markDeliveredAtOnce`, for ten
/// milliseconds): an application may hold it for as long as its transaction is open, and if it came to wait for a row
/// of ours PostgreSQL would abort one of the two. Rows are locked by `skip locked`, the ids of those that are not to be
/// had are returned, and the caller comes back to them. As nothing waits, the order in which rows are locked is free.
///
/// Rows are looked up by lateral queries that lock, and by `any(array(…))`: neither can become a join, for which a plan
/// that was made while the tables were small would walk all of an index.
enum NodeMarkStatements {
    /// The same as `markDelivered`, where nobody is likely to hold a row: without locks of its own it costs half as
    /// much of the log. It waits for a row for ten milliseconds and not for a quarter of `deadlock_timeout`, after
    /// which PostgreSQL looks for circles; then it fails with 55P03, nothing of it is kept, and `markDelivered` does
    /// it.
    ///
    /// The answer: the age of each message that became delivered, in the second column.
    ///
    /// Plan: message_log, outbox and parked by primary key. A list that is only asked whether it holds something is a
    /// hash, and can't become a join, by `not … not in`.
    static let markDeliveredAtOnce = PostgresStatement(
        "belfry_node_mark_delivered_at_once",
        """
        with \(patience), \(markedAtOnce)
        \(markedAnswer)
        """)

    /// The start of a statement that waits for ten milliseconds at most, and not for as long as it takes PostgreSQL to
    /// look for circles.
    static let patience = """
        patience as materialized (
            select set_config(
                'lock_timeout',
                greatest(1, least(10, (
                    date_part('epoch', current_setting('deadlock_timeout')::interval) * 250)::bigint))::text,
                true) as milliseconds
        )
        """

    static let markedAtOnce = """
        marked as (
            update belfry.message_log m set status = 'delivered', status_reason = null, delivered_at = now()
            where m.id = any($1::bigint[]) and m.status in ('pending', 'parked', 'expired')
                and not (
                    (m.id, coalesce(m.receiver, ''), \(DeliveryMark.createdAt(of: "m"))) not in (
                        select w.id, w.receiver, w.created_at
                        from unnest($1::bigint[], $2::text[], $3::bigint[]) as w(id, receiver, created_at)))
                and (select p.milliseconds from patience p) <> ''
            returning m.id, m.receiver, extract(epoch from clock_timestamp() - m.created_at)::float8 as age
        ), gone as (
            delete from belfry.outbox o
            where o.message_id = any(array(select m.id from marked m where m.receiver is not null)) and o.topic is null
        ), unparked as (
            delete from belfry.parked p where p.message_id = any(array(select m.id from marked m))
        )
        """

    static let markedAnswer = "select null::bigint, m.age from marked m"

    /// $1, $2, $3: ids, receivers (empty for a broadcast), Unix microseconds of `created_at`. A message is one with the
    /// same id, for the same receiver, written at the same time: whatever has its id by chance is left alone. A topic's
    /// outbox row stays for nodes that missed it; one without a row in the log goes. An id is held back when its row in
    /// the log, or in the outbox, is held.
    ///
    /// The answer: ids that are held back, each in the first column, and in the second the age of each message that
    /// became delivered.
    ///
    /// Plan: message_log twice and outbox twice by primary key, for each id; what looks for held rows runs only when
    /// some of the rows could not be locked.
    static let markDelivered = PostgresStatement(
        "belfry_node_mark_delivered",
        """
        with wanted as materialized (
            select w.id, w.receiver, w.created_at
            from unnest($1::bigint[], $2::text[], $3::bigint[]) as w(id, receiver, created_at)
        ), logged as materialized (
            select l.id, l.status, w.receiver <> '' as is_users
            from wanted w
            cross join lateral (
                select m.id, m.status from belfry.message_log m
                where m.id = w.id and \(isThatMessage)
                for no key update skip locked
            ) as l
        ), queued as materialized (
            select o.message_id
            from logged g
            cross join lateral (
                select q.message_id from belfry.outbox q where q.message_id = g.id and q.topic is null
                for update skip locked
            ) as o
            where g.is_users
        ), parked as materialized (
            select o.message_id
            from logged g
            cross join lateral (
                select p.message_id from belfry.parked p where p.message_id = g.id for update skip locked
            ) as o
            where g.status = 'parked'
        ), held as materialized (
            select o.message_id
            from logged g
            cross join lateral (
                select q.message_id from belfry.outbox q where q.message_id = g.id and q.topic is null offset 0
            ) as o
            where (select count(*) from queued) < (select count(*) from logged where is_users) and g.is_users
                and o.message_id not in (select q.message_id from queued q)
            union all
            select o.message_id
            from logged g
            cross join lateral (
                select p.message_id from belfry.parked p where p.message_id = g.id offset 0
            ) as o
            where g.status = 'parked' and o.message_id not in (select p.message_id from parked p)
            union all
            select l.id
            from wanted w
            cross join lateral (
                select m.id from belfry.message_log m where m.id = w.id and \(isThatMessage) offset 0
            ) as l
            where (select count(*) from logged) < (select count(*) from wanted)
                and l.id not in (select g.id from logged g)
        ), orphaned as materialized (
            select o.message_id
            from wanted w
            cross join lateral (
                select q.message_id from belfry.outbox q
                where q.message_id = w.id and coalesce(q.receiver, '') = w.receiver and q.topic is null
                for update skip locked
            ) as o
            where (select count(*) from logged) < (select count(*) from wanted)
                and not exists (select 1 from belfry.message_log m where m.id = w.id offset 0)
        ), gone as (
            delete from belfry.outbox o
            where o.message_id = any(array(
                select q.message_id from queued q where q.message_id not in (select h.message_id from held h)
                union all
                select q.message_id from orphaned q))
        ), unparked as (
            delete from belfry.parked p
            where p.message_id = any(array(
                select q.message_id from parked q where q.message_id not in (select h.message_id from held h)))
        ), marked as (
            update belfry.message_log l set status = 'delivered', status_reason = null, delivered_at = now()
            where l.id = any(array(
                select g.id from logged g
                where g.status in ('pending', 'parked', 'expired')
                    and g.id not in (select h.message_id from held h)))
            returning extract(epoch from clock_timestamp() - l.created_at)::float8 as age
        )
        select null::bigint, m.age from marked m
        union all
        select h.message_id, null from held h
        """)

    /// Whether the row `m` of the log is the message `w`.
    private static let isThatMessage = """
        coalesce(m.receiver, '') = w.receiver and \(DeliveryMark.createdAt(of: "m")) = w.created_at
        """

    /// $1, $2, $3: ids, receivers and the transaction ids under which they were handed out; $4 the delay in
    /// milliseconds, $5 the refusals after which a message is parked. Several sessions that refuse one message count
    /// once, and so does a statement that is repeated because its commit was not seen: the row is put off, or has
    /// another transaction id since. One that was stamped anew meanwhile comes again by itself, marked as redelivered.
    ///
    /// The answer: what became of a message (`held`, `parked`, or `orphan` for a row of the outbox without one of the
    /// log, which is removed), and its id.
    ///
    /// Plan: by primary key.
    static let refuse = PostgresStatement(
        "belfry_node_refuse",
        """
        with wanted as materialized (
            select w.id, w.receiver, w.xid::xid8 as xid
            from unnest($1::bigint[], $2::text[], $3::text[]) as w(id, receiver, xid)
        ), queued as materialized (
            select o.message_id, o.xid = w.xid as is_same, o.xid = w.xid and o.attempts + 1 >= $5::bigint as is_last
            from wanted w
            cross join lateral (
                select q.message_id, q.xid, q.attempts from belfry.outbox q
                where q.message_id = w.id and coalesce(q.receiver, '') = w.receiver and q.not_before is null
                for update skip locked
            ) as o
        ), logged as materialized (
            select l.id
            from queued q
            cross join lateral (
                select m.id from belfry.message_log m where m.id = q.message_id for no key update skip locked
            ) as l
            where q.is_last
        ), held as materialized (
            select o.message_id
            from wanted w
            cross join lateral (
                select q.message_id from belfry.outbox q
                where q.message_id = w.id and coalesce(q.receiver, '') = w.receiver and q.not_before is null offset 0
            ) as o
            where o.message_id not in (select q.message_id from queued q)
            union all
            select q.message_id
            from queued q
            where q.is_last and q.message_id not in (select g.id from logged g)
                and exists (select 1 from belfry.message_log m where m.id = q.message_id offset 0)
        ), put_off as (
            update belfry.outbox o
            set attempts = o.attempts + 1, redelivered = true, last_error = 'refused by the client (NACK)',
                not_before = clock_timestamp() + $4::bigint * interval '1 millisecond'
            where o.message_id = any(array(select q.message_id from queued q where q.is_same and not q.is_last))
        ), comes_again as (
            update belfry.outbox o set redelivered = true
            where o.message_id = any(array(select q.message_id from queued q where not q.is_same))
                and not o.redelivered
        ), gone as (
            delete from belfry.outbox o
            where o.message_id = any(array(
                select q.message_id from queued q
                where q.is_last and q.message_id not in (select h.message_id from held h)))
            returning o.message_id, 'refused by the client (NACK) ' || o.attempts + 1 || ' times' as reason,
                o.attempts + 1 as attempts
        ), parked as (
            insert into belfry.parked (message_id, reason, attempts)
            select g.message_id, g.reason, g.attempts
            from gone g where g.message_id in (select l.id from logged l)
            on conflict (message_id) do nothing
        ), marked as (
            update belfry.message_log m
            set status = 'parked', status_reason = (select g.reason from gone g where g.message_id = m.id limit 1)
            where m.id = any(array(select g.message_id from gone g)) and m.status = 'pending'
            returning m.id
        )
        select 'held', h.message_id from held h
        union all
        select 'parked', m.id from marked m
        union all
        select 'orphan', g.message_id from gone g where g.message_id not in (select l.id from logged l)
        """)

    /// $1: sessions that have ended. $2, $3, $4: ids of what they, or ended subscriptions, had not acknowledged, their
    /// receivers, and the session of each, empty for a subscription's. A session's row goes once all of its messages
    /// are marked.
    ///
    /// The answer: the ids that are held back.
    ///
    /// Plan: outbox and session by primary key.
    static let closeSessions = PostgresStatement(
        "belfry_node_close_sessions",
        """
        with wanted as materialized (
            select w.id, w.receiver, w.session
            from unnest($2::bigint[], $3::text[], $4::text[]) as w(id, receiver, session)
        ), queued as materialized (
            select o.message_id
            from wanted w
            cross join lateral (
                select q.message_id from belfry.outbox q
                where q.message_id = w.id and coalesce(q.receiver, '') = w.receiver and not q.redelivered
                for update skip locked
            ) as o
        ), held as materialized (
            select w.id, w.session
            from wanted w
            cross join lateral (
                select q.message_id from belfry.outbox q
                where q.message_id = w.id and coalesce(q.receiver, '') = w.receiver and not q.redelivered offset 0
            ) as o
            where (select count(*) from queued) < (select count(*) from wanted)
                and o.message_id not in (select q.message_id from queued q)
        ), marked as (
            update belfry.outbox o set redelivered = true
            where o.message_id = any(array(select q.message_id from queued q))
        ), gone as (
            delete from belfry.session s
            where s.id = any($1::uuid[]) and s.id::text not in (select h.session from held h)
        )
        select h.id from held h
        """)
}
