import Outbox

/// Judges what holds up vacuum, or Belfry's rows.
enum HoldUpJudge {
    static func transactions(_ facts: [TransactionFacts]) -> [Finding] {
        facts.flatMap { fact -> [Finding] in
            var findings: [Finding] = []
            let command = Finding.sql("select pg_terminate_backend(\(fact.pid))")
            if !fact.tableLocks.isEmpty {
                findings.append(
                    Finding(
                        "table-locked", .critical,
                        "\(subject(fact)) has locked \(list(fact.tableLocks)): inserts and acknowledgements wait for "
                            + "its end. \(query(fact))", mend: command))
            }
            if !fact.rowLocks.isEmpty {
                findings.append(
                    Finding(
                        "rows-held", .warning,
                        "\(subject(fact)) holds rows of \(list(fact.rowLocks)): what it has written is not delivered, "
                            + "and what it has locked not marked, before its end. \(query(fact))", mend: command))
            }
            if fact.holdsVacuum {
                findings.append(
                    Finding(
                        "vacuum-held", .warning,
                        "\(subject(fact)) keeps vacuum from removing what died since. \(query(fact))", mend: command))
            }
            return findings
        }
    }

    private static func subject(_ fact: TransactionFacts) -> String {
        let application = fact.application.isEmpty ? "without a name" : "\"\(fact.application)\""
        let age =
            fact.age.map { "open for \(StatusReport.age($0)), \(fact.state)" }
            ?? fact.transactionsSince.map { "open since \($0) transactions ago" } ?? "open for a time that is hidden"
        return "A transaction of process \(fact.pid) (application \(application), user \"\(fact.user)\", \(age))"
    }

    private static func query(_ fact: TransactionFacts) -> String {
        fact.age == nil || fact.query.isEmpty ? "Its query is hidden." : "Its last query: \(fact.query)"
    }

    private static func list(_ tables: [String]) -> String {
        tables.map { "belfry.\($0)" }.joined(separator: ", ")
    }

    static func others(_ facts: HoldUpFacts, _ thresholds: DoctorThresholds) -> [Finding] {
        facts.prepared.map { prepared in
            Finding(
                "prepared-transaction", .warning,
                "The prepared transaction \(Finding.literal(prepared.name)) of \"\(prepared.owner)\" has waited for "
                    + "its second phase for \(StatusReport.age(prepared.age)): it keeps its locks, and vacuum from "
                    + "removing what died since.",
                mend: Finding.sql("rollback prepared \(Finding.literal(prepared.name))"))
        }
            + facts.slots.filter { $0.holdsRows || $0.bytes >= thresholds.slotBytes }.map { slot in
                Finding(
                    "slot-unused", .warning,
                    "Nobody reads the replication slot \(Finding.literal(slot.name)): PostgreSQL keeps "
                        + "\(TableJudge.size(slot.bytes)) of its log for it"
                        + (slot.holdsRows ? ", and dead rows." : ", and more with each write."),
                    mend: Finding.sql("select pg_drop_replication_slot(\(Finding.literal(slot.name)))"))
            }
    }
}
