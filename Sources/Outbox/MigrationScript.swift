/// Migrations as one SQL script, for those who apply them by a tool of their own: the statements that `Migrator` would
/// run, with its notes in `belfry.migration`, so that relay and nodes take the schema for their own.
///
/// It is plain SQL without commands of psql, and for one transaction, which whoever runs it begins and commits. Where
/// the database is not at the version that the script starts from it fails at its first statements.
public enum MigrationScript {
    /// The script.
    ///
    /// - Parameters:
    ///   - first: the number of the first migration in it; those before must have been applied.
    ///   - migrations: by number from 1, without a gap.
    /// - Returns: a comment alone when there is no such migration.
    public static func text(from first: Int, of migrations: [Migration] = Migration.all) -> String {
        let pending = migrations.dropFirst(first - 1)
        guard let last = pending.last else {
            return "-- The schema is up to date: version \(migrations.count).\n"
        }
        var parts = [head(first, last.version, migrations)]
        for migration in pending {
            parts.append("-- \(migration.fileName)\n\(claim(migration))\n\(migration.sql)")
        }
        if migrations.contains(where: { $0.name == "create_inbox" }) { parts.append(historyIndex) }
        parts.append(tail)
        return parts.joined(separator: "\n")
    }

    private static func head(_ first: Int, _ last: Int, _ migrations: [Migration]) -> String {
        // Belfry's own sessions have this search path: the names in the migrations are meant so.
        let settings = """
            do $belfry$
            begin
                perform pg_catalog.set_config('belfry.search_path', pg_catalog.current_setting('search_path'), true);
            end
            $belfry$;
            set local search_path = pg_catalog, pg_temp;
            """
        let table = first == 1 ? "\(MigratorStatements.createTable)\n" : ""
        return """
            -- Belfry's migrations \(first) to \(last), made by belfry migrate --sql.
            -- For one transaction, by the role that owns the schema belfry or may create it:
            --     psql -X -q -v ON_ERROR_STOP=1 -1 -f FILE
            -- If a lock is not to be had within a second, as an open transaction of an application holds it, it fails
            -- and leaves nothing: run it again.
            \(settings)
            \(table)\(MigratorStatements.lock);
            do $belfry$
            declare
                wanted constant text := '\(names(migrations.prefix(first - 1)))';
                present constant text := coalesce(
                    (select string_agg(m.version || ' ' || m.name, ', ' order by m.version) from belfry.migration m),
                    'none');
            begin
                if present <> wanted then
                    raise exception 'This script is for a schema of Belfry at version \(first - 1); this is another.'
                        using detail = 'Its migrations are: ' || present,
                        hint = 'Make another script: belfry migrate --sql with this database as postgres.url.';
                end if;
            end
            $belfry$;

            """
    }

    private static func names(_ migrations: some Collection<Migration>) -> String {
        guard !migrations.isEmpty else { return "none" }
        return migrations.map { "\($0.version) \($0.name)" }.joined(separator: ", ")
    }

    /// Names of migrations are of letters and underscores.
    private static func claim(_ migration: Migration) -> String {
        "insert into belfry.migration (version, name) values (\(migration.version), '\(migration.name)');"
    }

    /// Over rows that exist the index is made outside a transaction: within one, applications would wait for it.
    private static let historyIndex = """
        do $belfry$
        begin
            if not (select s.keeps_history from belfry.setting s)
                or to_regclass('belfry.message_log_history') is not null
            then
                return;
            end if;
            if exists (select from belfry.message_log) then
                raise warning using
                    message = 'Histories need an index, which is made beside the applications'' writes.',
                    hint = 'Run, outside a transaction: create index concurrently \(HistoryStatements.definition)';
                return;
            end if;
            create index \(HistoryStatements.definition);
            \(HistoryStatements.describe);
        end
        $belfry$;

        """

    /// What the tool does next in this transaction, such as noting that the script was run, finds its own tables.
    private static let tail = """
        do $belfry$
        begin
            perform pg_catalog.set_config('search_path', pg_catalog.current_setting('belfry.search_path'), true);
        end
        $belfry$;
        set local lock_timeout to default;

        """
}
