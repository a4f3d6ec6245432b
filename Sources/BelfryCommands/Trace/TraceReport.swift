import BelfryModel
import Foundation
import Outbox

/// What became of one message, as far as the books and the hops tell: where it is now and what it waits for, and what
/// happened when.
struct TraceReport: Hashable, Sendable, Encodable {
    /// Where a message can be.
    enum Place: String, Hashable, Sendable, Encodable {
        case unknown, deleted, unqueued, heldBack, waitsForRelay, waitsForUser, waitsForAcknowledgement, published
        case delivered, expired, cancelled, parked
    }

    /// Something that happened, or will.
    struct Event: Hashable, Sendable, Encodable {
        /// Seconds since 1970, by PostgreSQL's clock.
        let at: Double
        let what: String
        /// What a process noted, or an operator did, by its name in `belfry.hop` or `belfry.audit`.
        var hop: String?
        /// Whose note it is.
        var process: String?
    }

    let id: String
    let place: Place
    /// Where it is now, and what it waits for, in a sentence or two for a person.
    let sentence: String
    let receiver: String?
    let topic: String?
    let type: String?
    /// Why hops of it are noted, as `belfry.hop` has it; `nil` when there are none.
    let traced: String?
    /// In the order in which they happened.
    let events: [Event]

    /// Whether nothing more will happen to it unless somebody does something.
    var isOver: Bool { [.deleted, .delivered, .expired, .cancelled, .parked].contains(place) }

    init(_ id: MessageID, _ facts: MessageFacts) {
        self.id = id.description
        receiver = facts.log?.receiver
        topic = facts.log?.topic
        type = facts.log?.type
        traced = TraceHops.reason(facts)
        guard let log = facts.log else {
            // What has hops was committed.
            (place, sentence) =
                facts.hops.isEmpty
                ? (.unknown, Self.absent(id, facts))
                : (.deleted, "It is no longer kept: retention has deleted it, or somebody by SQL.")
            events = Self.inOrder(TraceHops.events(facts))
            return
        }
        let (place, whereabouts) = Self.whereabouts(id, log, facts)
        self.place = place
        sentence = whereabouts + Self.escalation(facts)
        events = Self.events(log, facts)
    }

    // MARK: Where it is

    private static func absent(_ id: MessageID, _ facts: MessageFacts) -> String {
        guard id.rawValue <= facts.highestID else {
            return "There is no message \(id): the highest id that was given out is \(facts.highestID)."
        }
        let gone =
            "The id was given out, but there is no such message: its transaction was rolled back or is open "
            + "still, or retention has deleted it."
        guard let writer = facts.oldestWriter else { return gone + " No other transaction that writes is open now." }
        let process = "process \(writer.processID)\(writer.application.isEmpty ? "" : " (\(writer.application))")"
        guard let startedAt = writer.startedAt else {
            return gone + " A transaction that writes is open: \(process); since when, only a role in "
                + "pg_read_all_stats may see."
        }
        return gone + " The oldest transaction that writes is open for \(age(facts.now - startedAt)): \(process)."
    }

    private static func whereabouts(
        _ id: MessageID, _ log: MessageFacts.Log, _ facts: MessageFacts
    ) -> (Place, String) {
        switch log.status {
        case "delivered":
            let time = log.deliveredAt.map { ", \(age($0 - log.createdAt)) after it was written" } ?? ""
            let again =
                facts.queued != nil && log.topic == nil ? " It is in the outbox again, as it was replayed." : ""
            return (.delivered, "Delivered: a client acknowledged it\(time).\(again)")
        case "expired": return (.expired, "Expired: \(log.statusReason ?? "its time had passed.")")
        case "cancelled":
            return (
                .cancelled,
                "Cancelled: \(log.statusReason ?? "nobody gets it.") To deliver it after all: "
                    + "belfry replay --id \(id)"
            )
        case "parked":
            let reason = facts.parked?.reason ?? log.statusReason ?? "the reason is not known."
            return (
                .parked,
                "Parked: \(sentence(reason)) It waits for an operator: belfry replay --id \(id), once the reason is "
                    + "gone, or select belfry.cancel(\(id))."
            )
        default: return pending(id, log, facts)
        }
    }

    private static func pending(
        _ id: MessageID, _ log: MessageFacts.Log, _ facts: MessageFacts
    ) -> (Place, String) {
        guard let queued = facts.queued else {
            return (
                .unqueued,
                "It is in no outbox, so nothing is delivered: it came in without the trigger, by replication or a "
                    + "restore. belfry replay --id \(id) queues it."
            )
        }
        if let expiry = log.expiresAt, expiry <= facts.now {
            return (.waitsForRelay, "It has expired; the relay marks it so within a second. \(relay(facts))")
        }
        if let time = queued.notBefore {
            let why = queued.lastError.map { " after \(count(queued.attempts, "try", "tries")): \(sentence($0))" }
            return time > facts.now
                ? (.heldBack, "It is held back for another \(age(time - facts.now))\(why ?? ", as it was sent so.")")
                : (.waitsForRelay, "Its time has come; the relay releases it within a second. \(relay(facts))")
        }
        guard queued.isPublished else {
            return (.waitsForRelay, "It is committed and waits for the relay. \(relay(facts))")
        }
        if let topic = log.topic {
            let count = facts.sessions.count
            return (
                .published,
                "It was published to the topic \(topic), to which \(Self.count(count, "session")) "
                    + "\(count == 1 ? "is" : "are") subscribed now; it stays a while for nodes that missed it."
            )
        }
        let user = log.receiver ?? ""
        let subscribed = facts.sessions.filter { $0.isSubscribed == true }
        guard let newest = subscribed.first else {
            return facts.sessions.isEmpty
                ? (.waitsForUser, "It was published and waits for \(user) to come: no session of theirs is open.")
                : (
                    .waitsForUser,
                    "It was published, but no session of \(user) is subscribed to their queue, of "
                        + "\(count(facts.sessions.count, "session")) open: the client has to SUBSCRIBE."
                )
        }
        return (
            .waitsForAcknowledgement,
            "It waits for \(user)'s client to acknowledge it: \(count(subscribed.count, "session")) subscribed, the "
                + "newest for \(age(facts.now - newest.openedAt)) on \(newest.node) by \(newest.transport)"
                + "\(newest.address.map { " from \($0)" } ?? "")."
        )
    }

    private static func relay(_ facts: MessageFacts) -> String {
        guard let leader = facts.leader else { return "No relay has led yet: start one." }
        guard let seen = leader.seenAt else { return "No relay leads; \(leader.name) stopped: start one." }
        let silence = facts.now - seen
        return silence > 3
            ? "No relay leads; \(leader.name) was last seen \(age(silence)) ago: see belfry doctor."
            : "\(leader.name) leads (term \(leader.term)): it comes to it, unless the bus is away or it lags: see "
                + "belfry status."
    }

    // MARK: What happened

    private static func events(_ log: MessageFacts.Log, _ facts: MessageFacts) -> [Event] {
        let to = log.receiver.map { "for \($0)" } ?? "for the topic \(log.topic ?? "")"
        let writer = facts.writer.map { writer in
            " by the role \(writer.role)\(writer.application.isEmpty ? "" : ", application \(writer.application)")"
        }
        var events = [
            Event(
                at: log.createdAt,
                what: "written \(to)\(writer ?? ""), type \(log.type), \(log.dataBytes) bytes of data")
        ]
        func add(_ at: Double?, _ what: String) {
            if let at { events.append(Event(at: at, what: what)) }
        }
        add(log.committedAt, "committed")
        add(facts.queued?.publishedAt, "published")
        add(log.notBefore, (log.notBefore ?? 0) > facts.now ? "held back until then" : "was held back until then")
        add(facts.queued?.notBefore, "comes again then")
        add(log.deliveredAt, "acknowledged and marked delivered")
        add(log.viewedAt, "viewed")
        add(facts.parked?.at, "parked after \(count(facts.parked?.attempts ?? 0, "try", "tries"))")
        add(log.hiddenAt, "taken out of the history")
        add(log.expiresAt, (log.expiresAt ?? 0) > facts.now ? "expires" : "expired")
        for (at, what) in Self.escalationEvents(facts) { add(at, what) }
        for session in facts.sessions {
            let who = log.receiver.map { "a session of \($0)" } ?? "a subscriber"
            add(session.openedAt, "\(who) opened on \(session.node), \(session.transport)")
        }
        return inOrder(events + TraceHops.events(facts))
    }

    /// Times of two events are equal only by chance; their order then tells.
    private static func inOrder(_ events: [Event]) -> [Event] {
        events.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }.map(\.element)
    }

    // MARK: Words

    private static func age(_ seconds: Double) -> String { StatusReport.age(seconds) }

    private static func count(_ count: Int, _ noun: String, _ plural: String? = nil) -> String {
        "\(count) \(count == 1 ? noun : plural ?? noun + "s")"
    }

    /// With a full stop.
    private static func sentence(_ text: String) -> String {
        text.hasSuffix(".") || text.hasSuffix("!") || text.hasSuffix("?") ? text : text + "."
    }
}

extension TraceReport {
    /// The sentence on top, and a line for each event: its time, and the time since the one before.
    var text: String {
        var lines = ["\(id)  \(sentence)"]
        var last: Double?
        for event in events {
            let time = Date(timeIntervalSince1970: event.at)
                .formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            let since = last.map { "+\(Self.since(event.at - $0))" } ?? ""
            lines.append("  \(time)  \(since.padding(toLength: 10, withPad: " ", startingAt: 0))  \(event.what)")
            last = event.at
        }
        return lines.map(VisibleText.of).joined(separator: "\n")
    }

    private static func since(_ seconds: Double) -> String {
        seconds < 1 ? "\(Int((seconds * 1_000).rounded())) ms" : StatusReport.age(seconds)
    }
}
