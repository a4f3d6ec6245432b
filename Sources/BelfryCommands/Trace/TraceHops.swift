import Outbox

/// What `belfry trace` says of what relay and nodes noted, and of what operators did.
enum TraceHops {
    /// Events of hops and acts, in no order with those of the books.
    static func events(_ facts: MessageFacts) -> [TraceReport.Event] {
        var publications = 0
        var committed: Set<Double> = []
        if let time = facts.log?.committedAt { committed.insert(time) }
        var events: [TraceReport.Event] = []
        for hop in facts.hops {
            if let time = hop.committedAt, committed.insert(time).inserted {
                let again = publications > 0 || facts.log?.committedAt != nil
                events.append(
                    TraceReport.Event(at: time, what: again ? "committed, to be published again" : "committed"))
            }
            if hop.what == "published" { publications += 1 }
            events.append(
                TraceReport.Event(
                    at: hop.at, what: sentence(hop, isAgain: publications > 1), hop: hop.what, process: hop.process))
        }
        return events + facts.acts.map { TraceReport.Event(at: $0.at, what: sentence($0), hop: $0.act) }
    }

    /// Why it is traced, where it is.
    static func reason(_ facts: MessageFacts) -> String? { facts.hops.compactMap { $0.details["why"] }.first }

    private static func sentence(_ hop: MessageFacts.Hop, isAgain: Bool) -> String {
        let term = hop.details["term"].map { ", term \($0)" } ?? ""
        let redelivered = hop.details["redelivered"] == "true" ? ", as redelivered" : ""
        let reason = hop.details["reason"].map { ": \($0)" } ?? ""
        switch hop.what {
        case "pickedUp": return "picked up by the relay \(hop.process)\(term)"
        case "published":
            return "published\(isAgain ? " again" : "") by the relay \(hop.process)\(term)\(redelivered)"
        case "publishFailed": return "refused by the bus\(reason) (relay \(hop.process)\(term))"
        case "parked": return "parked by \(hop.process)\(reason)"
        case "received": return "received by the node \(hop.process)"
        case "sent":
            let source = hop.details["from"].map { ", from the \($0)" } ?? ""
            return "sent to \(session(hop)) by the node \(hop.process)\(source)\(redelivered)"
        case "acknowledged": return "acknowledged by \(session(hop)), node \(hop.process)"
        case "refused": return "refused by \(session(hop)), node \(hop.process)"
        case "marked": return "its answer is committed, node \(hop.process)"
        case "givenBack": return "left unanswered by \(session(hop)), node \(hop.process)"
        default: return "\(hop.what) by \(hop.process)"
        }
    }

    private static func session(_ hop: MessageFacts.Hop) -> String {
        let owner = hop.details["user"].map { " of \($0)" } ?? ""
        let transport = hop.details["transport"].map { " (\($0))" } ?? ""
        return "the session \(hop.details["session"] ?? "?")\(owner)\(transport)"
    }

    private static func sentence(_ act: MessageFacts.Act) -> String {
        let who = act.actor.map { "\($0) (as \(act.who))" } ?? act.who
        let like = act.isNamed ? "" : ", perhaps: its criteria fit this message"
        switch act.act {
        case "repair": return "put into the outbox again by \(who), who repaired it"
        case "replay": return "replayed by \(who)\(like)"
        case "replay_job_created": return "a job that replays was made by \(who)\(like)"
        case "cancel": return "cancelled by \(who)"
        default: return "\(act.act) by \(who)"
        }
    }
}
