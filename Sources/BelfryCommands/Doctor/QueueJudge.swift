import Outbox

/// Judges whether log and outbox say the same.
enum QueueJudge {
    static func findings(_ facts: QueueFacts, _ thresholds: DoctorThresholds) -> [Finding] {
        var findings: [Finding] = []
        if !facts.unqueued.isEmpty {
            findings.append(
                Finding(
                    "log-unqueued", .critical,
                    "\(number(facts.unqueued)) pending in belfry.message_log and not in the outbox, so nobody delivers "
                        + "\(facts.unqueued.count == 1 ? "it" : "them"): \(ids(facts.unqueued)). They came in while "
                        + "the trigger did not run (replication, a restore), or their rows were deleted.",
                    mend: "belfry doctor --repair"))
        }
        if !facts.orphans.isEmpty {
            findings.append(
                Finding(
                    "outbox-orphans", .warning,
                    "\(Finding.count(facts.orphans.count, "row")) of the outbox "
                        + "\(facts.orphans.count == 1 ? "has" : "have") no message in belfry.message_log, as after a "
                        + "DELETE of pending messages: "
                        + "\(ids(facts.orphans)).",
                    mend: "belfry doctor --repair  # as a member of belfry_service"))
        }
        if facts.parked > 0 {
            findings.append(
                Finding(
                    "messages-parked", .warning,
                    "\(facts.parked > 10_000 ? "More than 10000 messages are" : isAre(facts.parked)) parked: they "
                        + "could not be delivered, for a reason that belfry.parked holds.",
                    mend: "belfry replay --status parked  # once the reason is gone"))
        }
        // The statistics know nothing of a table that was never analyzed.
        let all = max(facts.logRows, Double(facts.logRowsLookedAt))
        let log =
            facts.logRowsLookedAt >= thresholds.logRows
            ? "the newest \(facts.logRowsLookedAt) of some \(Int(all)) messages (--log-rows looks at more)"
            : "all \(facts.logRowsLookedAt) messages"
        let outbox =
            facts.outboxRowsLookedAt >= thresholds.outboxRows
            ? "the oldest \(facts.outboxRowsLookedAt) rows" : "all \(facts.outboxRowsLookedAt) rows"
        findings.append(
            Finding(
                "queue-looked-at", .ok,
                "Log and outbox were compared in \(log) and \(outbox) of the outbox.")
        )
        return findings
    }

    private static func isAre(_ count: Int) -> String { count == 1 ? "1 message is" : "\(count) messages are" }

    private static func number(_ found: [Int64]) -> String {
        found.count >= QueueFacts.idsMax ? "At least \(found.count) messages are" : isAre(found.count)
    }

    /// The first few.
    private static func ids(_ found: [Int64]) -> String {
        found.prefix(5).map { "\($0)" }.joined(separator: ", ") + (found.count > 5 ? ", …" : "")
    }
}
