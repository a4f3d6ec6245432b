import Outbox

/// Judges whether the application learns of what is not delivered.
enum EscalationJudge {
    static func findings(_ rules: [EscalationRule], _ thresholds: DoctorThresholds) -> [Finding] {
        let faults = rules.flatMap { Self.faults(of: $0, thresholds) }
        guard faults.isEmpty, !rules.isEmpty else { return faults }
        return [
            Finding(
                "escalation-works", .ok,
                "The application is told of what is not delivered, by \(Finding.count(rules.count, "rule")).")
        ]
    }

    private static func faults(of rule: EscalationRule, _ thresholds: DoctorThresholds) -> [Finding] {
        var findings: [Finding] = []
        if !rule.isEnabled {
            findings.append(
                Finding(
                    "escalation-off", .warning,
                    "Messages of the type \(rule.type) are not escalated any more: "
                        + "\(rule.problem ?? "the rule is off.")",
                    mend: "belfry escalate \(rule.type) --after \(rule.afterSeconds)s --url "
                        + "'\(rule.url.replacing("'", with: "'\\''"))'  # or --stop"))
        } else if let problem = rule.problem {
            findings.append(
                Finding(
                    "escalation-blocked", .warning,
                    "Messages of the type \(rule.type) are not escalated, and the application does not learn of "
                        + "those that are overdue: \(problem)",
                    mend: "belfry config check relay  # where the relay runs, with its settings"))
        } else if let seconds = rule.failingSeconds, seconds > thresholds.escalationFailingSeconds {
            findings.append(
                Finding(
                    "escalation-failing", .warning,
                    "The application has accepted no webhook of the type \(rule.type) for "
                        + "\(StatusReport.age(seconds)), and \(Finding.count(rule.waiting, "message")) "
                        + "\(rule.waiting == 1 ? "waits" : "wait"): \(rule.lastError ?? "the reason is not known.")",
                    mend: "belfry escalations list --type \(rule.type) --state waiting"))
        }
        if rule.givenUp > 0 {
            findings.append(
                Finding(
                    "escalation-given-up", .warning,
                    "\(Finding.count(rule.givenUp, "webhook")) of the type \(rule.type) "
                        + "\(rule.givenUp == 1 ? "was" : "were") given up, so the application does not know of "
                        + "\(rule.givenUp == 1 ? "that message" : "those messages"): "
                        + "\(rule.lastError ?? "the reason is not known.")",
                    mend: "belfry escalations retry --type \(rule.type)  # once the application takes them"))
        }
        return findings
    }
}
