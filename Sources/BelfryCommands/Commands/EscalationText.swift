import Outbox

/// Escalations as people read them.
enum EscalationText {
    /// One line of a list of rules.
    static func line(_ rule: EscalationRule) -> String {
        var cells = [
            rule.type, "after \(StatusReport.age(Double(rule.afterSeconds)))", "\(rule.waiting) waiting",
            "\(rule.sentInAll) sent", "\(rule.givenUp) given up", rule.url,
        ]
        if !rule.isEnabled { cells.append("off") }
        if let problem = rule.problem {
            cells.append(problem)
        } else if let seconds = rule.failingSeconds {
            cells.append("failing for \(StatusReport.age(seconds)): \(rule.lastError ?? "")")
        }
        return cells.map(VisibleText.of).joined(separator: "\t")
    }

    /// One line of a list of messages.
    static func line(_ escalation: Escalation) -> String {
        let tries = "\(escalation.attempts) \(escalation.attempts == 1 ? "try" : "tries")"
        let cells = ["\(escalation.messageID)", escalation.type, escalation.state.rawValue, tries, last(escalation)]
        return cells.map(VisibleText.of).joined(separator: "\t")
    }

    private static func last(_ escalation: Escalation) -> String {
        switch escalation.state {
        case .waiting:
            let next: String
            if escalation.isUnderWay {
                next = "under way"
            } else if let seconds = escalation.nextSeconds, seconds > 0 {
                next = "next in \(StatusReport.age(seconds))"
            } else {
                next = "due"
            }
            return escalation.lastError.map { "\(next): \($0)" } ?? next
        case .sent: return "the application has it"
        case .failed, .withdrawn: return escalation.reason ?? ""
        }
    }
}
