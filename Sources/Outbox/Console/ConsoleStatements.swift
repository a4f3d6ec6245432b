import Postgres

/// The text of the console's statements. Those that lock wait for ten milliseconds at most; those that count stop
/// somewhere.
enum ConsoleStatements {
    private static let timeLimit = Duration.seconds(20)

    private static func milliseconds(_ column: String) -> String { MessageSearchStatements.milliseconds(column) }

    /// Plan: outbox and parked up to a bound; the oldest is the first by primary key; what the relay has still to do is
    /// two ranges of the index outbox (xid, …).
    static let facts = PostgresStatement(
        "belfry_console_facts",
        """
        with waiting as (
            select count(*) as pending, count(*) filter (where w.not_before is not null) as held_back
            from (
                select o.not_before from belfry.outbox o where o.topic is null or o.published_at is null
                limit \(ConsoleStore.countedMax + 1)) w
        ), oldest as (
            select m.created_at from belfry.outbox o join belfry.message_log m on m.id = o.message_id
            where o.topic is null or o.published_at is null
            order by o.message_id limit 1
        ), behind as materialized (
            select b.message_id, b.xid from (
                \(OperatorStatements.behind)
            ) b limit \(ConsoleStore.countedMax + 1)
        )
        select \(milliseconds("clock_timestamp()")), w.pending, w.held_back,
            (select \(milliseconds("o.created_at")) from oldest o),
            (select count(*) from (select from belfry.parked p limit \(ConsoleStore.parkedMax)) p),
            (select count(*) from behind),
            (\(OperatorStatements.oldestBehind)),
            c.relay, c.term, extract(epoch from clock_timestamp() - c.leader_seen_at)::float8,
            current_setting('server_version'), (select sum(d.numbackends)::bigint from pg_stat_database d),
            current_setting('max_connections')::bigint, pg_database_size(current_database()),
            (select i.id::text from belfry.installation i),
            (select string_agg(r.type, ', ' order by r.type)
                from belfry.escalation_rule r where r.failing_since is not null or r.problem is not null),
            (select count(*) from belfry.unqueued u where u.noted_at < clock_timestamp() - interval '1 minute')
        from waiting w left join belfry.relay_cursor c on c.shard = 0
        """, timeLimit: timeLimit)

    /// Plan: ranges of the indexes outbox (receiver, …) and message_log_history, up to a bound.
    static let user = PostgresStatement(
        "belfry_console_user",
        """
        with waiting as (
            select o.message_id, o.not_before from belfry.outbox o where o.receiver = $1
            order by o.message_id limit \(ConsoleStore.countedMax)
        )
        select json_build_object(
            'user', $1::text, 'pending', (select count(*) from waiting),
            'heldBack', (select count(*) from waiting w where w.not_before is not null),
            'oldestPending', (
                select \(milliseconds("m.created_at")) from belfry.message_log m
                where m.id = (select min(w.message_id) from waiting w)),
            'parked', case when h.is_there then (
                select count(*) from (
                    select m.status from belfry.message_log m
                    where m.receiver = $1 and m.hidden_at is null
                        and (case when m.viewed_at is null then 0 else 1 end) = 0
                    order by m.id desc limit \(ConsoleStore.countedMax)) m
                where m.status = 'parked') end,
            'unviewed', case when h.is_there then (select u.unviewed from belfry.unread($1) u) end,
            'unseen', case when h.is_there then (select u.unseen from belfry.unread($1) u) end,
            'countedMax', \(ConsoleStore.countedMax))::text
        from (select \(HistoryStatements.isUsable) as is_there) h
        """, timeLimit: timeLimit)

    /// Plan: parked by primary key up to a bound, message_log by primary key.
    static let parked = PostgresStatement(
        "belfry_console_parked",
        """
        select json_build_object(
            'groups', coalesce(json_agg(json_build_object(
                'reason', g.reason, 'type', g.type, 'count', g.count, 'oldest', \(milliseconds("g.oldest")),
                'newest', \(milliseconds("g.newest")), 'sample', belfry.ids_as_text(g.sample))), '[]'),
            'total', coalesce(sum(g.count), 0),
            'isComplete', coalesce(sum(g.count), 0) < \(ConsoleStore.parkedMax))::text
        from belfry.parked_groups(\(ConsoleStore.parkedMax)) g
        """, timeLimit: timeLimit)

    /// Plan: notification_type; ranges of message_log by primary key, outbox and parked up to a bound; refusal by
    /// its index on type.
    static let types = PostgresStatement(
        "belfry_console_types",
        """
        with hour as materialized (
            -- All of it, or forty pieces of it, evenly spread: what comes in bursts is not missed for what came last.
            select b.first, b.last, b.last - b.first > 20000 as is_estimate
            from (
                select coalesce(belfry.id_near(clock_timestamp() - interval '1 hour'), 0) as first,
                    coalesce((select max(l.id) from belfry.message_log l), 0) as last) b
        ), piece as (
            select h.first + (h.last - h.first) * i / 40 as low, h.first + (h.last - h.first) * i / 40 + 500 as high,
                (h.last - h.first) / 20000.0 as weight
            from hour h cross join generate_series(0, 39) i where h.is_estimate
            union all
            select h.first, h.last + 1, 1.0 from hour h where not h.is_estimate
        ), sent as (
            select m.type, round(sum(p.weight))::bigint as count
            from piece p
            cross join lateral (
                select l.type from belfry.message_log l
                where l.id >= p.low and l.id < p.high and l.created_at > clock_timestamp() - interval '1 hour'
                offset 0) m
            group by m.type
        ), waiting as (
            select m.type, count(*) as count
            from (
                select o.message_id from belfry.outbox o where o.topic is null or o.published_at is null
                order by o.message_id limit \(ConsoleStore.countedMax)) o
            cross join lateral (select l.type from belfry.message_log l where l.id = o.message_id offset 0) m
            group by m.type
        ), parked as (
            select g.type, sum(g.count)::bigint as count from belfry.parked_groups(\(ConsoleStore.countedMax)) g
            group by g.type
        )
        select json_build_object('types', coalesce(json_agg(json_build_object(
            'name', t.name, 'description', t.description, 'builtIn', t.built_in,
            'updatedAt', \(milliseconds("t.updated_at")), 'schema', t.schema,
            'sentLastHour', coalesce(s.count, 0), 'sentIsEstimate', (select h.is_estimate from hour h),
            'undelivered', coalesce(w.count, 0), 'parked', coalesce(p.count, 0),
            'refused', r.count, 'lastRefusals', r.last) order by t.name), '[]'),
            'unknown', (
                select coalesce(
                    json_agg(json_build_object('name', u.type, 'refused', u.count) order by u.count desc), '[]')
                from (
                    select f.type, sum(f.count) as count
                    from (select q.* from belfry.refusal q order by q.id desc limit 1000) f
                    where not exists (select from belfry.notification_type k where k.name = f.type)
                    group by f.type order by 2 desc limit 50) u),
            'countedMax', \(ConsoleStore.countedMax))::text
        from belfry.notification_type t
        left join sent s on s.type = t.name
        left join waiting w on w.type = t.name
        left join parked p on p.type = t.name
        cross join lateral (
            select coalesce(sum(f.count), 0) as count, coalesce(json_agg(json_build_object(
                'at', \(milliseconds("f.at")), 'via', f.via, 'who', f.who, 'reason', f.reason, 'count', f.count)
                order by f.id desc) filter (where f.place <= 5), '[]') as last
            from (
                select e.*, row_number() over (order by e.id desc) as place from (
                    select q.* from belfry.refusal q where q.type = t.name order by q.id desc limit 1000) e) f
        ) r
        """, timeLimit: timeLimit)

    /// $1: a type whose schema is meant, or null; $2: an object with schema and data. Plan: notification_type by
    /// primary key.
    static let check = PostgresStatement(
        "belfry_console_check",
        """
        select json_build_object('schemaProblem', c.schema_problem, 'dataProblem', c.data_problem)::text
        from (select $2::jsonb as body) b
        cross join lateral (
            select t.schema from belfry.notification_type t where t.name = $1
            union all select b.body -> 'schema' where $1::text is null
        ) s
        cross join lateral belfry.check_sample(s.schema, b.body -> 'data') c
        """, timeLimit: timeLimit)

    static let register = PostgresStatement(
        "belfry_console_register",
        """
        with \(NodeMarkStatements.patience)
        select json_build_object('name', t.name, 'updatedAt', \(milliseconds("t.updated_at")))::text
        from patience p cross join lateral belfry.register_type_for(
            case when p.milliseconds <> '' then $1::text end, $2::jsonb -> 'schema', $3, $4) t
        """, timeLimit: timeLimit)

    /// Plan: message_log and outbox by primary key.
    static let replay = PostgresStatement(
        "belfry_console_replay",
        """
        with \(NodeMarkStatements.patience)
        select r.message_id, r.previous_status, r.action
        from patience p cross join lateral belfry.replay_for(
            case when p.milliseconds <> '' then $1::bigint[] end, $2::boolean, $3::boolean, $4, $5::jsonb) r
        """, timeLimit: timeLimit)

    /// Plan: message_log, outbox and parked by primary key.
    static let cancel = PostgresStatement(
        "belfry_console_cancel",
        """
        with \(NodeMarkStatements.patience)
        select coalesce(cardinality(belfry.cancel_all_for(
            case when p.milliseconds <> '' then $1::bigint[] end, $2, $3::jsonb)), 0)::bigint
        from patience p
        """, timeLimit: timeLimit)

    /// $1: ids, or null; $2 and $3: a group, or nulls. Plan: parked by primary key up to a bound, message_log by
    /// primary key.
    private static let chosen = """
        chosen as materialized (
            select p.message_id
            from (
                select q.message_id, q.reason from belfry.parked q
                where $1::bigint[] is null or q.message_id = any ($1)
                order by q.message_id limit \(ConsoleStore.parkedMax)) p
            where $2::text is null or left(p.reason, 500) = $2
                and exists (select from belfry.message_log m where m.id = p.message_id and m.type = $3)
        )
        """

    static let countParked = PostgresStatement(
        "belfry_console_count_parked",
        """
        with \(chosen)
        select count(*), (
            select count(*) < \(ConsoleStore.parkedMax)
            from (select from belfry.parked p limit \(ConsoleStore.parkedMax)) p),
            (coalesce(array_agg(c.message_id order by c.message_id), '{}'))[1:10]::text
        from chosen c
        """, timeLimit: timeLimit)

    /// The first that no other transaction holds now.
    static let someParked = PostgresStatement(
        "belfry_console_some_parked",
        """
        with \(chosen)
        select array(
                select c.message_id from chosen c
                cross join lateral (
                    select from belfry.message_log m where m.id = c.message_id for no key update skip locked) l
                order by c.message_id limit \(ConsoleStore.batchMax))::text,
            (select count(*) from chosen c)
        """, timeLimit: timeLimit)
}
