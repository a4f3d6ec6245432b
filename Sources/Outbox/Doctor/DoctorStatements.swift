import Postgres

/// What `belfry doctor` asks of the server and of its sessions. None is prepared: each runs once.
enum DoctorStatements {
    /// Each look is a transaction of its own, so that its bounds hold behind a pooler and stay with nobody.
    static let begin = "begin read only; set local statement_timeout = '5s'; set local lock_timeout = '500ms'"
    /// The same for those that must not read a large table as a whole, whatever the statistics say of it.
    static let beginByIndex =
        begin + "; set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off"
    /// The same for a repair, which waits for nobody's rows either.
    static let beginRepair = "begin; set local statement_timeout = '20s'; set local lock_timeout = '500ms'"

    /// Plan: no table.
    static let server = PostgresStatement(
        "",
        """
        select current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery(),
            extract(epoch from clock_timestamp())::float8, current_user, current_database(),
            pg_has_role('pg_read_all_stats', 'usage')
        """)

    /// Plan: the list of settings, in memory.
    static let settings = PostgresStatement(
        "",
        """
        select name, setting from pg_settings
        where name in ('fsync', 'full_page_writes', 'autovacuum', 'track_counts', 'synchronous_commit',
            'default_transaction_read_only')
        """)

    /// Plan: a small catalog.
    static let overrides = PostgresStatement(
        "",
        """
        select coalesce(r.rolname, ''), coalesce(d.datname, ''), c.setting
        from pg_db_role_setting s
        cross join lateral unnest(s.setconfig) c(setting)
        left join pg_roles r on r.oid = s.setrole
        left join pg_database d on d.oid = s.setdatabase
        where (s.setdatabase = 0 or d.datname = current_database())
            and lower(c.setting) in ('session_replication_role=replica', 'default_transaction_read_only=on',
                'default_transaction_read_only=true')
        """)

    /// Plan: as many rows as there are sessions. `datid` and not `backend_type`, which is hidden from others.
    static let connections = PostgresStatement(
        "",
        """
        select 'server', '', count(*)::int,
            current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        from pg_stat_activity where datid is not null
        union all
        select 'database', d.datname, (select count(*)::int from pg_stat_activity a where a.datid = d.oid),
            d.datconnlimit
        from pg_database d where d.datname = current_database() and d.datconnlimit >= 0
        union all
        select 'role', r.rolname, count(*)::int, r.rolconnlimit
        from pg_roles r join pg_stat_activity a on a.usesysid = r.oid
        where r.rolconnlimit >= 0
        group by r.rolname, r.rolconnlimit
        """)

    /// Plan: as many rows as there are sessions, and their locks. What is hidden from us has no `state`; whether it
    /// holds up vacuum is told all the same.
    static let transactions = PostgresStatement(
        "",
        """
        select a.pid, coalesce(a.usename, ''), a.application_name, coalesce(a.state, ''),
            extract(epoch from clock_timestamp() - a.xact_start)::float8,
            greatest(age(a.backend_xid), age(a.backend_xmin)),
            left(regexp_replace(a.query, '\\s+', ' ', 'g'), 200),
            a.backend_xid is not null or a.backend_xmin is not null,
            coalesce(l.rows, ''), coalesce(l.tables, '')
        from pg_stat_activity a
        left join lateral (
            select string_agg(distinct c.relname, ',') filter (
                    where l.mode in ('RowShareLock', 'RowExclusiveLock')) as rows,
                string_agg(distinct c.relname || ' ' || l.mode, ',') filter (
                    where l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
                    as tables
            from pg_locks l
            join pg_class c on c.oid = l.relation and c.relkind = 'r'
            join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'belfry'
            where l.pid = a.pid and l.locktype = 'relation' and l.granted
        ) l on true
        where a.datname = current_database() and a.pid <> pg_backend_pid()
            and coalesce(a.backend_type, '') not in ('autovacuum worker', 'parallel worker')
            and case when a.state is null
                then greatest(age(a.backend_xid), age(a.backend_xmin)) > $2::int or l.tables is not null
                else a.xact_start < clock_timestamp() - $1::float8 * interval '1 second' end
        order by a.xact_start nulls last limit 50
        """)

    /// Plan: as many rows as there are prepared transactions.
    static let prepared = PostgresStatement(
        "",
        """
        select gid, owner, extract(epoch from clock_timestamp() - prepared)::float8 from pg_prepared_xacts
        where database = current_database() and prepared < clock_timestamp() - $1::float8 * interval '1 second'
        order by prepared limit 50
        """)

    /// Plan: as many rows as there are slots.
    static let slots = PostgresStatement(
        "",
        """
        select slot_name, xmin is not null or catalog_xmin is not null,
            case when pg_is_in_recovery() then 0 else pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) end::float8
        from pg_replication_slots
        where not active and (xmin is not null or catalog_xmin is not null or restart_lsn is not null)
        order by slot_name limit 50
        """)

    /// Plan: as many rows as there are sessions.
    static let processes = PostgresStatement(
        "",
        """
        select a.application_name, coalesce(a.usename, ''), coalesce(r.rolsuper, false), count(*)::int
        from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
        where a.datname = current_database() and a.pid <> pg_backend_pid()
            and a.application_name ~ '^belfry (serve|relay|node)( |$)'
        group by 1, 2, 3 order by 1, 2
        """)

    /// Plan: as many rows as there are processes.
    static let reports = PostgresStatement(
        "",
        """
        select p.kind, p.host, p.pid::bigint, p.listen,
            extract(epoch from clock_timestamp() - p.seen_at)::float8, p.sessions::bigint, p.clock_ahead::float8,
            p.open_files::bigint, p.files_max::bigint, extract(epoch from p.certificate_ends_at)::float8,
            p.health::text, extract(epoch from clock_timestamp() - p.started_at)::float8
        from belfry.process p
        order by p.host, p.started_at, p.id limit 1000
        """)
}
