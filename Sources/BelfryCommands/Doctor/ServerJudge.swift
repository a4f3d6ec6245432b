import Outbox

/// Judges PostgreSQL itself: its version, its settings, its connections.
enum ServerJudge {
    static func findings(_ facts: ServerFacts) -> [Finding] {
        var findings: [Finding] = []
        if facts.versionNumber < 150_000 {
            findings.append(
                Finding(
                    "postgres-version", .critical,
                    "PostgreSQL is \(facts.version), and Belfry needs 15 or later.",
                    mend: "pg_upgrade --old-datadir … --new-datadir … --old-bindir … --new-bindir …"))
        } else {
            findings.append(
                Finding(
                    "postgres-version", .ok,
                    "PostgreSQL \(facts.version) answers, database \"\(facts.database)\", as \"\(facts.user)\"."))
        }
        if facts.isStandby {
            findings.append(
                Finding(
                    "postgres-standby", .critical,
                    "This PostgreSQL only follows another one, so nothing can be published or acknowledged here: "
                        + "postgres.url names the wrong server, or the fail-over is not finished.",
                    mend: "export BELFRY_POSTGRES_URL='postgresql://…?target_session_attrs=read-write'"))
        }
        findings += facts.settings.sorted { $0.key < $1.key }.compactMap { judge($0.key, $0.value) }
        findings += facts.overrides.map(judge)
        if !facts.seesOthers {
            findings.append(
                Finding(
                    "stats-hidden", .note,
                    "\"\(facts.user)\" may not see what other sessions do: how long their transactions have been open "
                        + "and their queries are missing here.",
                    mend: Finding.sql("grant pg_read_all_stats to \(Finding.identifier(facts.user))")))
        }
        return findings
    }

    private static func judge(_ name: String, _ value: String) -> Finding? {
        switch (name, value) {
        case ("fsync", "off"):
            Finding(
                "setting-fsync", .critical,
                "fsync is off: after a crash of the machine committed messages, or the whole database, may be gone.",
                mend: change("fsync", "on"))
        case ("full_page_writes", "off"):
            Finding(
                "setting-full-page-writes", .warning,
                "full_page_writes is off: a crash in the middle of a page may destroy it.",
                mend: change("full_page_writes", "on"))
        case ("autovacuum", "off"):
            Finding(
                "setting-autovacuum", .critical,
                "autovacuum is off: the outbox grows with every message, and becomes slow within hours.",
                mend: change("autovacuum", "on"))
        case ("track_counts", "off"):
            Finding(
                "setting-track-counts", .critical,
                "track_counts is off, so autovacuum does nothing, and the outbox grows with every message.",
                mend: change("track_counts", "on"))
        case ("synchronous_commit", "off"):
            Finding(
                "setting-synchronous-commit", .warning,
                "synchronous_commit is off: messages, and RECEIPTs, of the last moments before a crash may be gone.",
                mend: change("synchronous_commit", "on"))
        case ("default_transaction_read_only", "on"):
            Finding(
                "setting-read-only", .critical,
                "Transactions are read only by default, so nothing is published or acknowledged.",
                mend: change("default_transaction_read_only", "off"))
        default: nil
        }
    }

    private static func change(_ name: String, _ value: String) -> String {
        Finding.sql("alter system set \(name) = \(value)") + " && " + Finding.sql("select pg_reload_conf()")
    }

    private static func judge(_ override: ServerFacts.Override) -> Finding {
        let name = override.setting.prefix { $0 != "=" }
        let place = override.database.isEmpty ? "" : " in database \(Finding.identifier(override.database))"
        let subject =
            override.role.isEmpty
            ? "database \(Finding.identifier(override.database))"
            : "role \(Finding.identifier(override.role))\(place)"
        let command = Finding.sql("alter \(subject) reset \(name)")
        if name.lowercased() == "session_replication_role" {
            return Finding(
                "setting-replica", .critical,
                "Sessions of \(subject) start with \(override.setting): the trigger that queues messages does not run "
                    + "for them, so what they insert is not delivered.", mend: command)
        }
        return Finding(
            "setting-read-only", .critical,
            "Sessions of \(subject) start with \(override.setting), so nothing is written in them.", mend: command)
    }

    static func connections(_ facts: [ConnectionFacts], _ thresholds: DoctorThresholds) -> [Finding] {
        facts.compactMap { fact in
            guard fact.limit > 0 || fact.scope != "server" else { return nil }
            let share = Double(fact.used) / Double(max(1, fact.limit))
            guard share >= thresholds.crowdedShare else {
                guard fact.scope == "server" else { return nil }
                return Finding(
                    "connections", .ok, "\(fact.used) of \(fact.limit) connections to PostgreSQL are in use.")
            }
            let name = Finding.identifier(fact.name)
            let more = max(fact.limit * 2, fact.used + 50)
            let (subject, command) =
                switch fact.scope {
                case "database": ("database \(name)", Finding.sql("alter database \(name) connection limit \(more)"))
                case "role": ("role \(name)", Finding.sql("alter role \(name) connection limit \(more)"))
                default:
                    (
                        "server",
                        Finding.sql("alter system set max_connections = \(more)")
                            + " && systemctl restart postgresql"
                    )
                }
            return Finding(
                "connections-\(fact.scope)", share >= thresholds.fullShare ? .critical : .warning,
                "\(fact.used) of the \(fact.limit) connections that the \(subject) lets in are in use; without one, "
                    + "processes of Belfry can't come back after a break.", mend: command)
        }
    }
}
