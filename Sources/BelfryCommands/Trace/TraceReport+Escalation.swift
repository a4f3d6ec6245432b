import Outbox

extension TraceReport {
    /// What the application knows of it by a webhook, as a sentence with a space before it; empty where there is
    /// nothing to say.
    static func escalation(_ facts: MessageFacts) -> String {
        guard let escalation = facts.escalation else { return "" }
        switch escalation.state {
        case "sent": return " The application was told of it, as it was not delivered in time."
        case "failed":
            return " The application could not be told of it: \(escalation.reason ?? "the reason is not known.") "
                + "belfry escalations retry tries again."
        case "waiting":
            guard escalation.dueAt <= facts.now else { return "" }
            let error = escalation.lastError.map { " \($0)" } ?? ""
            guard let next = escalation.nextAt, next > facts.now else {
                return " It is overdue, and the application is to be told.\(error)"
            }
            return " It is overdue, and the application did not take the webhook yet: the next try is in "
                + "\(StatusReport.age(next - facts.now)).\(error)"
        default: return ""
        }
    }

    /// When it was overdue, and when the application was told.
    static func escalationEvents(_ facts: MessageFacts) -> [(at: Double?, what: String)] {
        guard let escalation = facts.escalation, escalation.state != "withdrawn" else { return [] }
        let tries = "\(escalation.attempts) \(escalation.attempts == 1 ? "try" : "tries")"
        return [
            (escalation.dueAt, escalation.dueAt > facts.now ? "overdue then" : "overdue by its type's rule"),
            (escalation.sentAt, "escalated: the application accepted the webhook, after \(tries)"),
        ]
    }
}
