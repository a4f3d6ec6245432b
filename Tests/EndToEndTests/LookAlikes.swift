import DatabaseSupport
import Foundation
import Postgres

/// Traps for whoever looks a function or an operator up in `public`, or in the schema named like his role: all that
/// Belfry's statements use, under the same names, with arguments that fit better than PostgreSQL's own. They are set by
/// an application's role that owns the database and is a writer of Belfry's.
struct LookAlikes {
    static let landlord = "landlord"
    static let service = "test_service"

    static let safePath = "set search_path = pg_catalog, pg_temp"

    let url: String
    private let administrator: PostgresConnection

    /// Sets the traps.
    /// - Parameter database: migrated or not, without connections but one's own.
    init(in database: TestDatabase) async throws {
        url = database.url
        administrator = try await database.connect()
        // Whoever sets traps had better not step into them, whatever path Belfry's sessions have.
        try await administrator.run(Self.safePath)
        let name = try await administrator.value("select current_database()")
        try await administrator.run(
            """
            do $$ begin create role \(Self.landlord) login; exception when duplicate_object then null; end $$;
            do $$ begin
                if exists (select from pg_roles where rolname = 'belfry_writer') then
                    grant belfry_writer to \(Self.landlord);
                end if;
            end $$;
            alter database \(name) owner to \(Self.landlord)
            """)
        let landlord = try await database.connect(role: Self.landlord)
        try await landlord.run(Self.safePath)
        try await landlord.run(Self.trap)
        for name in try Self.names() {
            _ = try await landlord.execute(
                PostgresStatement("", "insert into public.wanted values ($1)"), [.text(name)])
        }
        try await landlord.run(Self.functions)
        try await landlord.run(Self.operators)
        await landlord.close()
    }

    /// How many look-alikes of functions and operators there are.
    func count() async throws -> Int {
        Int(
            try await administrator.value(
                """
                select (select count(*) from pg_proc
                        where pronamespace in ('public'::regnamespace, 'test_service'::regnamespace))
                    + (select count(*) from pg_operator where oprnamespace = 'public'::regnamespace)
                """)) ?? 0
    }

    /// Which look-alikes were run, and as whom. One whose transaction was rolled back shows as "?".
    func caught(except role: String = "") async throws -> [String] {
        let rows = try await administrator.rows(
            "select distinct name, who from public.trap where who <> '\(role)' order by name, who")
        let hits = try await administrator.value(
            "select case when is_called then last_value else 0 end from public.trapped")
        let count = try await administrator.value("select count(*) from public.trap")
        return rows.map { "\($0[0]) as \($0[1])" } + (hits == count || !role.isEmpty ? [] : ["?"])
    }

    /// Forgets what was run.
    func reset() async throws {
        try await administrator.run("truncate public.trap; select setval('public.trapped', 1, false)")
    }

    /// What of Belfry's is bound to an object outside of its own schema and PostgreSQL's.
    func bound(in schema: String = "belfry") async throws -> [String] {
        try await administrator.rows(
            """
            select distinct pg_describe_object(d.classid, d.objid, d.objsubid)
                || ' on ' || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
            from pg_depend d
            cross join lateral pg_identify_object(d.classid, d.objid, d.objsubid) mine
            left join pg_proc p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
            left join pg_operator o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
            left join pg_type t on d.refclassid = 'pg_type'::regclass and t.oid = d.refobjid
            left join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
            where coalesce(p.pronamespace, o.oprnamespace, t.typnamespace, c.relnamespace)
                    in (select oid from pg_namespace where nspname in ('public', 'test_service'))
                and (mine.schema = '\(schema)' or mine.schema is null and mine.identity like '%\(schema).%')
            """
        ).map { $0[0] }
    }

    func close() async { await administrator.close() }

    /// Every name before a parenthesis in the program's statements and the schema's functions. The server leaves out
    /// what is no function.
    private static func names() throws -> Set<String> {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        var names: Set<String> = []
        for folder in ["Sources/Outbox", "Sources/BelfryCommands", "migrations"] {
            let files = FileManager.default.enumerator(
                at: root.appending(path: folder), includingPropertiesForKeys: nil)
            for case let file as URL in files ?? FileManager.DirectoryEnumerator() {
                guard ["swift", "sql"].contains(file.pathExtension) else { continue }
                let text = try String(contentsOf: file, encoding: .utf8)
                names.formUnion(text.matches(of: /([a-z_][a-z0-9_]*)\(/).map { String($0.output.1) })
            }
        }
        return names
    }

    /// A row for each run; the sequence counts those that were rolled back as well.
    private static let trap = """
        create schema test_service;
        grant usage on schema test_service to public;
        create table public.trap (name text, who text default current_user);
        create sequence public.trapped;
        create table public.wanted (name text);
        grant insert on public.trap to public;
        grant usage on public.trapped to public
        """

    /// Types of arguments and values in Belfry's statements, with the domains and rows of its schema.
    private static let types = """
        select unnest(array['text', 'jsonb', 'bigint', 'integer', 'boolean', 'timestamptz', 'interval', 'xid8',
            'pg_snapshot', 'uuid', 'text[]', 'bigint[]', 'double precision', 'numeric', 'oid', 'name'])
        union all select t.oid::regtype::text from pg_type t
        where t.typnamespace = to_regnamespace('belfry') and (t.typtype = 'd'
            or t.typrelid in (to_regclass('belfry.message_log'), to_regclass('belfry.outbox')))
        """

    /// As many arguments as PostgreSQL's own takes: one and two of every type, three of the commonest; where it takes
    /// more, of its own types, with each type in place of a polymorphic one.
    private static let functions = """
        set check_function_bodies = off;
        do $$
        declare
            types constant text[] := array(\(types));
            arguments text[];
            argument text;
            returned text;
            f record;
        begin
            for f in
                select p.proname::text as name, n.count, bool_or(p.proretset) as returns_set,
                    min(case when t.typtype = 'p' then 'bigint' else t.oid::regtype::text end) as result,
                    min((
                        select string_agg(
                            case when a.typtype = 'p' then '%1$s' else a.oid::regtype::text end, ', ' order by u.place)
                        from unnest(p.proargtypes) with ordinality u (type, place)
                        join pg_type a on a.oid = u.type)) as own
                from pg_proc p join pg_type t on t.oid = p.prorettype
                cross join lateral generate_series(
                    p.pronargs - p.pronargdefaults - case when p.provariadic <> 0 then 1 else 0 end,
                    p.pronargs + case when p.provariadic <> 0 then 2 else 0 end) n (count)
                where p.proname in (select w.name from public.wanted w)
                    and p.pronamespace in ('pg_catalog'::regnamespace, to_regnamespace('belfry'))
                group by p.proname, n.count
            loop
                arguments := case
                    when f.count <= 0 then array['']
                    when f.count = 1 then types
                    when f.count = 2 then array(select a || ', ' || b from unnest(types) a, unnest(types) b)
                    when f.count = 3 then array(
                        select concat_ws(', ', a, b, c)
                        from unnest(types[1:5]) a, unnest(types[1:5]) b, unnest(types[1:5]) c
                        union select format(f.own, t) from unnest(types) t where f.own not like '%"%')
                    else array(select distinct format(f.own, t) from unnest(types) t where f.own not like '%"%')
                end;
                foreach argument in array arguments loop
                    begin
                        execute format(
                            'create function public.%I(%s) returns %s language plpgsql as %L', f.name, argument,
                            case when f.returns_set then 'setof ' else '' end || f.result,
                            format('begin perform pg_catalog.nextval(''public.trapped''); '
                                || 'insert into public.trap (name) values (%L); %s end',
                                f.name || '(' || argument || ')',
                                case when f.returns_set or f.result = 'void' then 'return;' else 'return null;' end));
                        if f.count <= 1 then
                            execute format('create function test_service.%I(%s) returns %s language sql as %L', f.name,
                                argument, f.result, format('select pg_catalog.nextval(''public.trapped''); '
                                    || 'insert into public.trap (name) values (%L); select null::%s',
                                    'test_service.' || f.name, f.result));
                        end if;
                    exception when others then null;
                    end;
                end loop;
            end loop;
        end $$;
        """

    /// Operators for every two types. Casts are no way in: one must own a type for them.
    private static let operators = """
        do $$
        declare
            types constant text[] := array(\(types));
            l text; r text; o text; number integer := 0;
        begin
            foreach l in array types loop foreach r in array types loop
                number := number + 1;
                execute format(
                    'create function public.trap_%s(%s, %s) returns boolean language plpgsql as %L', number, l, r,
                    format('begin perform pg_catalog.nextval(''public.trapped''); '
                        || 'insert into public.trap (name) values (%L); return null; end', l || ' operator ' || r));
                foreach o in array array['=', '<>', '<', '<=', '>', '>=', '||', '+', '-', '*', '/', '%', '~', '!~',
                    '~~', '->', '->>', '#>', '#>>', '?', '@>', '<@', '&&', '#-'] loop
                    execute format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.trap_%s)',
                        o, l, r, number);
                end loop;
            end loop; end loop;
        end $$
        """
}
