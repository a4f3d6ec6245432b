import Postgres

/// What `belfry doctor` asks of the schema `belfry`.
enum DoctorSchemaStatements {
    /// Plan: small catalogs. A role that does not exist has no row.
    static let roles = PostgresStatement(
        "",
        """
        select r.rolname, coalesce((
            select string_agg(m.rolname, ',' order by m.rolname)
            from pg_auth_members a join pg_roles m on m.oid = a.member where a.roleid = r.oid), '')
        from pg_roles r where r.rolname = any ($1::text[]) order by r.rolname
        """)

    /// Plan: catalogs, by name. Rights on a single column count; DELETE has none.
    static let missingOnRelations = PostgresStatement(
        "",
        """
        select w.role, case c.relkind when 'S' then 'sequence ' else '' end || 'belfry.' || w.name, w.privilege
        from unnest($1::text[], $2::text[], $3::text[]) w(role, name, privilege)
        join pg_roles r on r.rolname = w.role
        join pg_namespace n on n.nspname = 'belfry'
        join pg_class c on c.relnamespace = n.oid and c.relname = w.name
        where not case
            when c.relkind = 'S' then has_sequence_privilege(r.oid, c.oid, w.privilege)
            when w.privilege = 'delete' then has_table_privilege(r.oid, c.oid, w.privilege)
            else has_any_column_privilege(r.oid, c.oid, w.privilege) end
        union all
        select r.rolname, 'schema belfry', 'usage' from pg_roles r
        where r.rolname = any ($1::text[]) and not has_schema_privilege(r.oid, 'belfry', 'usage')
        """)

    /// Plan: catalogs, by name.
    static let missingOnFunctions = PostgresStatement(
        "",
        """
        select w.role, format('function belfry.%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), 'execute'
        from unnest($1::text[], $2::text[]) w(role, name)
        join pg_roles r on r.rolname = w.role
        join pg_namespace n on n.nspname = 'belfry'
        join pg_proc p on p.pronamespace = n.oid and p.proname = w.name
        where not has_function_privilege(r.oid, p.oid, 'execute')
        """)

    /// What the whole world has, and what writers have of other people's messages. Plan: catalogs of the schema.
    static let excess = PostgresStatement(
        "",
        """
        select coalesce(g.rolname, 'public'), e.object, lower(e.privilege_type)
        from (
            select a.grantee, case c.relkind when 'S' then 'sequence ' else '' end || 'belfry.' || c.relname as object,
                a.privilege_type
            from pg_class c cross join lateral aclexplode(c.relacl) a
            where c.relnamespace = (select oid from pg_namespace where nspname = 'belfry')
            union all
            select a.grantee, format('function belfry.%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
                a.privilege_type
            from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            where p.pronamespace = (select oid from pg_namespace where nspname = 'belfry') and a.grantee = 0
            union all
            select a.grantee, 'schema belfry', a.privilege_type
            from pg_namespace n cross join lateral aclexplode(n.nspacl) a
            where n.nspname = 'belfry' and (a.grantee = 0 or a.privilege_type = 'CREATE')
        ) e
        left join pg_roles g on g.oid = e.grantee
        where e.grantee = 0 or g.rolname = 'belfry_writer'
        order by 1, 2, 3 limit 50
        """)

    /// Plan: one row.
    static let owner = PostgresStatement(
        "",
        """
        select r.rolname, r.rolsuper from pg_namespace n join pg_roles r on r.oid = n.nspowner
        where n.nspname = 'belfry'
        """)

    /// Plan: catalogs, by name.
    static let triggers = PostgresStatement(
        "",
        """
        select t.tgname, t.tgenabled from pg_trigger t
        join pg_class c on c.oid = t.tgrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'belfry' and c.relname = 'message_log' and not t.tgisinternal
        """)

    /// Plan: catalogs, by name.
    static let doorbellPersistence = PostgresStatement(
        "",
        """
        select c.relpersistence = 'u' from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'belfry' and c.relname = 'doorbell' and c.relkind = 'S'
        """)

    /// Plan: catalogs of the schema.
    static let indexes = PostgresStatement(
        "",
        """
        select c.relname, i.indisvalid and i.indisready
        from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'belfry'
        """)

    /// Plan: the cursor's row; then two ranges of the index outbox (xid, …), up to a bound.
    static let cursor = PostgresStatement(
        "",
        """
        with behind as materialized (
            \(OperatorStatements.behind)
            limit \(CursorFacts.behindMax)
        )
        select c.relay, c.term, extract(epoch from clock_timestamp() - c.leader_seen_at)::float8, c.backend_pid,
            extract(epoch from clock_timestamp() - c.backend_start)::float8,
            coalesce(c.system_identifier = (select system_identifier from pg_control_system()), true),
            (select count(*) from behind),
            (\(OperatorStatements.oldestBehind))
        from belfry.relay_cursor c where c.shard = 0
        """)

    /// Plan: one row.
    static let term = PostgresStatement("", "select c.term from belfry.relay_cursor c where c.shard = 0")

    /// Plan: one row.
    static let doorbell = PostgresStatement("", "select last_value = 1 from belfry.doorbell")

    /// Plan: catalogs and statistics; a table's size is asked of the file system.
    static let tables = PostgresStatement(
        "",
        """
        select c.relname, greatest(c.reltuples, s.n_live_tup, 0)::float8, s.n_dead_tup::float8,
            coalesce(o.threshold, current_setting('autovacuum_vacuum_threshold')::float8)
                + coalesce(o.scale, current_setting('autovacuum_vacuum_scale_factor')::float8)
                    * greatest(c.reltuples, 0),
            coalesce(o.is_enabled, true),
            extract(epoch from clock_timestamp() - greatest(s.last_vacuum, s.last_autovacuum))::float8,
            pg_relation_size(c.oid)::float8,
            case when greatest(c.reltuples, s.n_live_tup) <= 0 then 0
                else greatest(c.reltuples, s.n_live_tup) * (w.bytes + 28) * 100 / coalesce(o.fill, 100) end::float8
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        join pg_stat_all_tables s on s.relid = c.oid
        cross join lateral (
            select max(option_value::float8) filter (where option_name = 'autovacuum_vacuum_threshold') as threshold,
                max(option_value::float8) filter (where option_name = 'autovacuum_vacuum_scale_factor') as scale,
                max(option_value::float8) filter (where option_name = 'fillfactor') as fill,
                bool_and(option_value::boolean) filter (where option_name = 'autovacuum_enabled') as is_enabled
            from pg_options_to_table(c.reloptions)
        ) o
        cross join lateral (
            select sum((1 - p.null_frac) * p.avg_width) as bytes
            from pg_stats p where p.schemaname = 'belfry' and p.tablename = c.relname
        ) w
        where n.nspname = 'belfry' and c.relkind = 'r'
        order by c.relname
        """)

    /// Sixty-four bytes are more than an entry of these indexes needs in the middle. Plan: catalogs.
    static let indexSizes = PostgresStatement(
        "",
        """
        select c.relname, t.relname, pg_relation_size(c.oid)::float8,
            greatest(t.reltuples, s.n_live_tup, 0)::float8 * 64
        from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_class t on t.oid = i.indrelid
        join pg_namespace n on n.oid = c.relnamespace
        join pg_stat_all_tables s on s.relid = t.oid
        where n.nspname = 'belfry'
        order by c.relname
        """)

    /// Plan: the first rows by the primary key of outbox, each looked up in that of the log.
    static let orphans = PostgresStatement(
        "",
        """
        with looked as materialized (
            select o.message_id from belfry.outbox o order by o.message_id limit $1::bigint
        ), found as (
            select l.message_id from looked l
            where not exists (select from belfry.message_log m where m.id = l.message_id)
            order by l.message_id limit \(QueueFacts.idsMax)
        )
        select array(select message_id from found), (select count(*) from looked)
        """)

    /// Plan: the last rows by the primary key of the log, those pending looked up in that of outbox; then unqueued,
    /// which is small, by the same two keys.
    static let unqueued = PostgresStatement(
        "",
        """
        with looked as materialized (
            select m.id, m.status from belfry.message_log m order by m.id desc limit $1::bigint
        ), found as (
            select l.id from looked l where l.status = 'pending'
            union
            select m.id from (select u.message_id from belfry.unqueued u limit 10000) u
            join belfry.message_log m on m.id = u.message_id
            where m.status = 'pending'
        ), missing as (
            select f.id from found f
            where not exists (select from belfry.outbox o where o.message_id = f.id)
            order by f.id limit \(QueueFacts.idsMax)
        )
        select array(select id from missing), (select count(*) from looked),
            (select greatest(c.reltuples, 0)::float8 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where n.nspname = 'belfry' and c.relname = 'message_log'),
            (select count(*) from (select from belfry.parked limit 10001) p)
        """)

    /// Plan: by the primary key; what another transaction holds stays.
    static let removeOrphans = PostgresStatement(
        "",
        """
        with free as materialized (
            select o.message_id from belfry.outbox o
            where o.message_id = any ($1::bigint[])
                and not exists (select from belfry.message_log m where m.id = o.message_id)
            order by o.message_id for update skip locked
        ), gone as (
            delete from belfry.outbox o using free f where o.message_id = f.message_id returning o.message_id
        ), recorded as (
            select belfry.record_act('repair', null, jsonb_build_object(
                'orphans', belfry.ids_as_text((array_agg(g.message_id order by g.message_id))[1:100]),
                'count', count(*))) as id
            from gone g having count(*) > 0
        )
        select g.message_id from gone g left join recorded r on true order by g.message_id
        """)

    /// Plan: the function goes by the ids.
    static let queueAgain = PostgresStatement(
        "",
        """
        select message_id, action from belfry.repair_outbox($1::bigint[])
        """)
}
