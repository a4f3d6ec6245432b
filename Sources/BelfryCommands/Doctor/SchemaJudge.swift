import Outbox

/// Judges the schema, its parts and the rights on them.
enum SchemaJudge {
    /// - Parameter error: what the migrator says of the schema; `nil` when it is as this program wants it.
    static func version(_ status: MigrationStatus) -> [Finding] {
        guard !status.pending.isEmpty else {
            return [Finding("schema", .ok, "The schema belfry is at version \(status.applied.count), as it should be.")]
        }
        guard let last = status.applied.last else {
            return [
                Finding(
                    "schema-missing", .critical, "The database has no schema of Belfry yet.", mend: "belfry migrate")
            ]
        }
        return [
            Finding(
                "schema-outdated", .critical,
                "The schema belfry is at version \(last.version), and this program needs "
                    + "\(status.applied.count + status.pending.count): processes of this version do not start.",
                mend: "belfry migrate")
        ]
    }

    static func version(_ error: MigratorError) -> Finding {
        error.code == .newerSchema
            ? Finding(
                "schema-newer", .critical, error.message, mend: "belfry --version  # and install a newer one")
            : Finding("schema-foreign", .critical, error.message, mend: "belfry migrate --status")
    }

    static func findings(_ facts: SchemaFacts) -> [Finding] {
        var findings = triggers(facts.triggers)
        if facts.identityCache != 1 {
            findings.append(
                Finding(
                    "sequence-cache", .critical,
                    "The sequence of message ids hands out \(facts.identityCache) values at a time, so ids do not "
                        + "follow the order of transactions, and Belfry's processes do not start.",
                    mend: Finding.sql("alter table belfry.message_log alter column id set cache 1")))
        }
        if !facts.hasDoorbell {
            findings.append(
                Finding(
                    "doorbell-missing", .critical,
                    "The doorbell, the sequence belfry.doorbell, is missing: every insert of a message fails.",
                    mend: Finding.sql("create unlogged sequence belfry.doorbell minvalue 1 maxvalue 2 start 1")))
        } else if !facts.doorbellIsUnlogged {
            findings.append(
                Finding(
                    "doorbell-logged", .warning,
                    "The doorbell survives a crash of PostgreSQL, which should reset it: writers may then not wake a "
                        + "relay that sleeps.",
                    mend: Finding.sql("alter sequence belfry.doorbell set unlogged")))
        }
        return findings + indexes(facts)
    }

    private static func triggers(_ found: [String: String]) -> [Finding] {
        [
            ("queue_messages", "O", "", "messages that are inserted are not delivered."),
            (
                "note_unqueued", "R", "replica ",
                "messages that come in by replication without being queued are not noted."
            ),
            (
                "forget_escalations", "O", "",
                "what belfry.escalation says of messages stays when they are deleted."
            ),
        ].compactMap { name, wanted, word, consequence in
            let state = found[name]
            guard state != wanted, state != "A" else { return nil }
            let isQueue = name == "queue_messages"
            return Finding(
                "trigger-off", isQueue ? .critical : .warning,
                "The trigger \(name) of belfry.message_log is \(state == nil ? "missing" : "not enabled"): "
                    + consequence,
                mend: state == nil
                    ? "belfry migrate --status  # the schema was changed by hand: restore it"
                    : Finding.sql("alter table belfry.message_log enable \(word)trigger \(name)"))
        }
    }

    private static func indexes(_ facts: SchemaFacts) -> [Finding] {
        let found = Dictionary(facts.indexes.map { ($0.name, $0.isValid) }, uniquingKeysWith: { $0 && $1 })
        var findings = SchemaIndexes.names.subtracting(found.keys).sorted().map { name in
            Finding(
                "index-missing", name.hasPrefix("outbox") || name.hasPrefix("message_log") ? .critical : .warning,
                "The index belfry.\(name) is missing: what it serves reads whole tables.",
                mend: SchemaIndexes.statement(making: name).map(Finding.sql)
                    ?? "belfry migrate --status  # a constraint was dropped by hand: restore it")
        }
        if facts.keepsHistory == true, found[SchemaIndexes.history] == nil {
            findings.append(
                Finding(
                    "index-missing", .warning,
                    "The index belfry.\(SchemaIndexes.history) is missing, so users' histories are refused.",
                    mend: "belfry migrate --history on"))
        }
        for (name, isValid) in found.sorted(by: { $0.key < $1.key }) where !isValid {
            findings.append(
                Finding(
                    "index-invalid", .warning,
                    "The index belfry.\(name) is invalid: it costs each write and serves no search. What made it was "
                        + "interrupted.",
                    mend: name == SchemaIndexes.history
                        ? "belfry migrate"
                        : Finding.sql("reindex index concurrently belfry.\(Finding.identifier(name))")))
        }
        if findings.isEmpty {
            findings.append(Finding("indexes", .ok, "All \(found.count) indexes are there and valid."))
        }
        return findings
    }

    static func rights(_ facts: RightsFacts) -> [Finding] {
        let present = Set(facts.roles.map(\.name))
        var findings = ["belfry_writer", "belfry_service", "belfry_operator"].filter { !present.contains($0) }.map {
            Finding(
                "role-missing", .critical,
                "The role \($0) is missing in this cluster, as after a restore without roles: nobody has its rights.",
                mend: Finding.sql("create role \($0) nologin") + "  # then grant it as migrations/000006 does")
        }
        findings += facts.missing.map { right in
            Finding(
                "right-missing", right.role == "belfry_operator" ? .warning : .critical,
                "\(right.role) lacks the right to \(right.privilege) on \(right.object).",
                mend: Finding.sql("grant \(right.privilege) on \(right.object) to \(right.role)"))
        }
        findings += facts.excess.map { right in
            Finding(
                "right-excess", .warning,
                (right.role == "public" ? "Everybody who may connect" : right.role)
                    + " has the right to \(right.privilege) on \(right.object), which the schema does not give.",
                mend: Finding.sql("revoke \(right.privilege) on \(right.object) from \(right.role)"))
        }
        if facts.ownerIsSuperuser {
            findings.append(
                Finding(
                    "owner-superuser", .note,
                    "The schema's owner, \"\(facts.owner)\", is a superuser, and so are the functions that run with "
                        + "the owner's rights.",
                    mend: Finding.sql("alter schema belfry owner to …") + "  # and its tables and functions"))
        }
        findings.append(
            Finding(
                "roles", .ok,
                facts.roles.map { role in
                    "\(role.name): " + (role.members.isEmpty ? "nobody" : role.members.joined(separator: ", "))
                }.joined(separator: "; ") + "; the owner is \(facts.owner)."))
        return findings
    }
}
