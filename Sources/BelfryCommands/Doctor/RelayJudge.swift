import BelfryModel
import Outbox

/// Judges the relay: who leads, how far it is, whether it hears the doorbell; and the nodes.
enum RelayJudge {
    static func findings(_ facts: CursorFacts?, _ thresholds: DoctorThresholds) -> [Finding] {
        guard let facts else {
            return [
                Finding(
                    "cursor-missing", .critical,
                    "belfry.relay_cursor has no row, so no relay can lead.",
                    mend: Finding.sql(
                        "insert into belfry.relay_cursor (shard, snapshot, system_identifier) select 0, '1:1:', "
                            + "system_identifier from pg_control_system()"))
            ]
        }
        var findings = [leader(facts)]
        if facts.isAlive, facts.backend == nil {
            findings.append(
                Finding(
                    "leader-by-lease", .warning,
                    "The leader does not hear the doorbell by its own connection, as behind a pooler in transaction "
                        + "mode (or it has begun only now): it polls, and a dead one is replaced two seconds later.",
                    mend: "export BELFRY_POSTGRES_LISTEN_URL='postgresql://…'  # past the pooler, for relays"))
        }
        if !facts.isOfThisCluster {
            findings.append(
                Finding(
                    "cursor-foreign", facts.isAlive ? .warning : .note,
                    "The cursor is of another cluster, from which this database was restored: the relay that leads "
                        + "next publishes every row of the outbox once more.",
                    mend: "belfry relay"))
        }
        findings.append(lag(facts, thresholds))
        return findings
    }

    private static func leader(_ facts: CursorFacts) -> Finding {
        let command = "belfry relay  # or belfry serve"
        guard let relay = facts.relay else {
            return Finding("leader-missing", .critical, "No relay has led yet: nothing is published.", mend: command)
        }
        guard let age = facts.seenAge else {
            return Finding(
                "leader-missing", .critical,
                "No relay leads: \(relay) stopped in order (term \(facts.term)). Nothing is published.", mend: command)
        }
        guard facts.isAlive else {
            return Finding(
                "leader-missing", .critical,
                "No relay leads: \(relay) (term \(facts.term)) was last seen \(StatusReport.age(age)) ago. Messages "
                    + "come late, and those held back wait.", mend: command)
        }
        let since = facts.backendAge.map { ", connected for \(StatusReport.age($0))" } ?? ""
        let bell = facts.doorbellIsArmed.map { $0 ? "; it sleeps until the doorbell rings" : "; it is awake" } ?? ""
        return Finding("leader", .ok, "\(relay) leads in term \(facts.term)\(since)\(bell).")
    }

    private static func lag(_ facts: CursorFacts, _ thresholds: DoctorThresholds) -> Finding {
        let number =
            facts.behind >= CursorFacts.behindMax
            ? "More than \(CursorFacts.behindMax - 1) messages wait"
            : Finding.count(facts.behind, "message waits", "messages wait")
        guard facts.behind > 0, facts.behindAge >= thresholds.lagSeconds else {
            return Finding(
                "cursor", .ok, facts.behind == 0 ? "Everything that is due is published." : "\(number) to be published."
            )
        }
        return Finding(
            "cursor-behind", facts.isAlive ? .warning : .critical,
            "\(number) to be published, the oldest for \(StatusReport.age(facts.behindAge)).",
            mend: facts.isAlive
                ? "journalctl -u belfry-relay -n 100  # the leader's log says what fails" : "belfry relay")
    }

    /// - Parameter terms: as they were seen one after the other.
    static func terms(_ terms: [Int], within watch: Duration) -> [Finding] {
        guard let first = terms.first, let last = terms.last, last > first else { return [] }
        return [
            Finding(
                "terms-climb", last > first + 1 ? .critical : .warning,
                "The term went from \(first) to \(last) within \(watch.components.seconds) s: leaders follow one "
                    + "another, and each begins anew. They lose their connections, or several are started by turns.",
                mend: "journalctl -u belfry-relay -n 100  # of each relay")
        ]
    }

    /// - Parameter isHeard: whether what was notified arrived where the relay listens.
    static func listening(_ outcome: ListenProbe.Outcome) -> Finding {
        switch outcome {
        case .heard: Finding("listen", .ok, "Notifications of PostgreSQL arrive.")
        case .lost(let isOwnURL):
            Finding(
                "listen-lost", .warning,
                "A notification did not arrive: \(isOwnURL ? "postgres.listenUrl" : "postgres.url") leads through a "
                    + "pooler in transaction mode. The relay polls instead, which takes longer and costs more.",
                mend: "export BELFRY_POSTGRES_LISTEN_URL='postgresql://…'  # past the pooler, for relays")
        case .failed(let reason):
            Finding(
                "listen-failed", .warning, "Listening could not be tried: \(reason)",
                mend: "psql \"${BELFRY_POSTGRES_LISTEN_URL:-$BELFRY_POSTGRES_URL}\" -c 'listen belfry_doctor'")
        }
    }

    static func nodes(_ nodes: [OperatorStatus.Node], _ thresholds: DoctorThresholds) -> [Finding] {
        var findings = nodes.filter { $0.heartBeatAgeSeconds > thresholds.nodeSilenceSeconds }.map { node in
            Finding(
                "node-silent", .warning,
                "The node at \(node.listen) on \(node.host) (process \(node.processID)) was last heard from "
                    + "\(StatusReport.age(node.heartBeatAgeSeconds)) ago: it was killed, hangs, or does not reach "
                    + "PostgreSQL.",
                mend: "systemctl restart belfry-node  # on \(node.host)")
        }
        if nodes.isEmpty {
            findings.append(
                Finding("nodes-missing", .warning, "No node runs, so no client can connect.", mend: "belfry node"))
        } else if findings.isEmpty {
            findings.append(
                Finding(
                    "nodes", .ok,
                    "\(Finding.count(nodes.count, "node")) with "
                        + "\(Finding.count(nodes.reduce(0) { $0 + $1.sessions }, "session"))."))
        }
        return findings
    }
}
