import Postgres

/// The text of the statements on who is connected. Applications have no part in the table, so nothing is waited for.
enum PresenceStatements {
    /// $1: the node. $2 to $6: sessions that were opened, their users, transports, addresses (empty when not known),
    /// and for how many milliseconds they have been open: a row that was lost comes again as old as it was. $7:
    /// sessions that have ended. $8 to $10: of those that were opened what they call themselves, their tokens'
    /// fingerprints and when these expire, in Unix milliseconds. $11 and $12: topics, and the places of the sessions
    /// that are subscribed to them.
    ///
    /// Plan: by primary key.
    static let record = PostgresStatement(
        "belfry_presence_record",
        """
        with gone as (
            delete from belfry.presence p where p.id = any($7::text[]::uuid[])
        )
        insert into belfry.presence as p (
            id, node_id, receiver, transport, address, opened_at, client, token, token_expires_at, topics)
        select s.id::uuid, $1::uuid, s.receiver, s.transport, nullif(s.address, ''),
            clock_timestamp() - s.age * interval '1 millisecond', nullif(s.client, ''), nullif(s.token, ''),
            case when s.expires_at > 0 then to_timestamp(s.expires_at / 1000.0::float8) end,
            array(
                select t.name from unnest($11::text[], $12::bigint[]) as t(name, place)
                where t.place = s.place order by t.name)
        from unnest(
            $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $8::text[], $9::text[], $10::bigint[]
        ) with ordinality as s(id, receiver, transport, address, age, client, token, expires_at, place)
        on conflict (id) do update
            set topics = excluded.topics, token = excluded.token, token_expires_at = excluded.token_expires_at
            where (p.topics, p.token, p.token_expires_at)
                is distinct from (excluded.topics, excluded.token, excluded.token_expires_at)
        """)

    /// $1: users. $2: sessions that each may have. $3: whether the newest go on and not the oldest. Those of killed
    /// nodes do not count. Two nodes that look at once find the same.
    ///
    /// Plan: for each user an index scan on presence (receiver, …), then node by primary key.
    static let bound = PostgresStatement(
        "belfry_presence_bound",
        """
        with too_many as (
            select c.id
            from unnest($1::text[]) as u(receiver)
            cross join lateral (
                select p.id, row_number() over (
                    order by case when $3::boolean then -extract(epoch from p.opened_at)
                        else extract(epoch from p.opened_at) end, p.id) as place
                from belfry.presence p
                join belfry.node n on n.id = p.node_id
                    and n.heartbeat_at > clock_timestamp() - interval '\(HousekeepingStatements.nodeSilenceMax)'
                where p.receiver = u.receiver and p.close_reason is null
            ) as c
            where c.place > $2::bigint
        )
        update belfry.presence p set close_reason = 'tooManySessions'
        from too_many t where p.id = t.id and p.close_reason is null
        returning p.id::text
        """)

    /// Plan: the partial indexes on what is to be closed and on what is asked.
    static let errands = PostgresStatement(
        "belfry_presence_errands",
        """
        select p.id::text, p.close_reason, false from belfry.presence p
        where p.node_id = $1::uuid and p.close_reason is not null
        union all
        select p.id::text, null, true from belfry.presence p where p.node_id = $1::uuid and p.asked_at is not null
        """)

    /// Plan: presence by primary key.
    static let answer = PostgresStatement(
        "belfry_presence_answer",
        """
        update belfry.presence p
        set asked_at = null, answered_at = clock_timestamp(), unacknowledged = a.unacknowledged::integer
        from unnest($1::text[], $2::bigint[]) as a(id, unacknowledged)
        where p.id = a.id::uuid
        """)

    /// Plan: the table, which is small.
    static let refusedTokens = PostgresStatement(
        "belfry_refused_tokens",
        "select r.token from belfry.refused_token r where r.until > clock_timestamp() limit 1000000")

    /// Plan: presence by its index on node_id.
    static let leave = PostgresStatement(
        "belfry_presence_leave", "delete from belfry.presence where node_id = $1::uuid")

    /// What killed nodes left. A node that was taken for one writes its rows anew. Plan: node is small; presence is
    /// read once for each node that has gone.
    static let removeDead = PostgresStatement(
        "",
        "delete from belfry.presence p where not exists (select from belfry.node n where n.id = p.node_id)")
}
