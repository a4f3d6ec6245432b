import Outbox

/// A status as text for a person.
enum StatusReport {
    static func text(_ status: OperatorStatus) -> String {
        var lines = [
            "pending   \(status.pending)" + oldest(status) + heldBack(status),
            "parked    \(status.parked)",
            "relay     \(relay(status))",
            "lag       \(status.lagRows) \(status.lagRows == 1 ? "message" : "messages")"
                + (status.lagRows > 0 ? ", the oldest \(age(status.lagSeconds)) old" : ""),
            "nodes     \(status.nodes.count)",
            "sessions  \(status.sessions)",
        ]
        for node in status.nodes {
            lines.append(
                "  \(node.listen) on \(node.host), process \(node.processID), up \(age(node.uptimeSeconds)), "
                    + "\(node.sessions) \(node.sessions == 1 ? "session" : "sessions"), heard from "
                    + "\(age(node.heartBeatAgeSeconds)) ago")
        }
        if let types = status.pendingByType, !types.isEmpty {
            lines.append("pending by type")
            lines += types.map { "  \($0.type)  \($0.count)" }
        }
        return lines.joined(separator: "\n")
    }

    private static func oldest(_ status: OperatorStatus) -> String {
        status.oldestPendingSeconds.map { ", the oldest \(age($0)) old" } ?? ""
    }

    private static func heldBack(_ status: OperatorStatus) -> String {
        status.heldBack > 0 ? ", \(status.heldBack) held back until their time" : ""
    }

    private static func relay(_ status: OperatorStatus) -> String {
        guard let leader = status.leader else { return "none has led yet" }
        guard let seen = leader.seenAgeSeconds else {
            return "none leads; \(leader.name) stopped (term \(leader.term))"
        }
        return leader.isAlive
            ? "\(leader.name) leads (term \(leader.term))"
            : "none leads; \(leader.name) was last seen \(age(seen)) ago (term \(leader.term))"
    }

    /// Seconds in the unit that reads best; clocks that differ may make them negative, which shows as none.
    static func age(_ seconds: Double) -> String {
        let seconds = max(0, seconds)
        switch seconds {
        case ..<10: return "\((seconds * 10).rounded() / 10) s"
        case ..<120: return "\(Int(seconds)) s"
        case ..<7_200: return "\(Int(seconds / 60)) min"
        case ..<172_800: return "\(Int(seconds / 3_600)) h"
        case ..<1e12: return "\(Int(seconds / 86_400)) days"
        default: return "ages"
        }
    }
}
