import BelfryModel
import Outbox
import Testing

@testable import BelfryCommands

/// Where a message is, in a sentence.
struct TraceReportTests {
    private static let id = MessageID(rawValue: 7)

    /// A message that was written a minute ago, and what else is so.
    private func facts(
        _ status: String = "pending", _ change: (inout MessageFacts) -> Void = { _ in }
    ) -> MessageFacts {
        var facts = MessageFacts()
        facts.now = 1_000
        facts.highestID = 9
        var log = MessageFacts.Log()
        log.receiver = "alice"
        log.type = "JSON_MSG"
        log.status = status
        log.createdAt = 940
        facts.log = log
        var leader = MessageFacts.Leader()
        leader.name = "relay-1"
        leader.term = 4
        leader.seenAt = 999.5
        facts.leader = leader
        change(&facts)
        return facts
    }

    private func queued(_ change: (inout MessageFacts.Queued) -> Void = { _ in }) -> MessageFacts.Queued {
        var queued = MessageFacts.Queued()
        change(&queued)
        return queued
    }

    private func session(isSubscribed: Bool?) -> MessageFacts.Session {
        var session = MessageFacts.Session()
        session.id = "s"
        session.openedAt = 970
        session.node = "0.0.0.0:8080 on node-1"
        session.transport = "websocket"
        session.isSubscribed = isSubscribed
        return session
    }

    private func expect(
        _ place: TraceReport.Place, _ part: String, _ facts: MessageFacts,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let report = TraceReport(Self.id, facts)
        #expect(report.place == place, sourceLocation: sourceLocation)
        #expect(report.sentence.contains(part), "\(report.sentence)", sourceLocation: sourceLocation)
    }

    @Test func whatIsNotThereSaysWhy() {
        var none = MessageFacts()
        none.highestID = 3
        expect(.unknown, "There is no message 7: the highest id that was given out is 3.", none)
        none.highestID = 7
        expect(.unknown, "rolled back or is open still, or retention has deleted it. No other transaction", none)
        none.now = 1_000
        none.oldestWriter = (990.0, 4711, "shop")
        expect(.unknown, "is open for 10 s: process 4711 (shop).", none)
    }

    @Test func whatWaitsForTheRelaySaysWhetherOneLeads() {
        expect(.waitsForRelay, "relay-1 leads (term 4)", facts { $0.queued = queued() })
        expect(
            .waitsForRelay, "No relay leads; relay-1 was last seen 40 s ago",
            facts {
                $0.queued = queued()
                $0.leader?.seenAt = 960
            })
        expect(
            .waitsForRelay, "No relay leads; relay-1 stopped",
            facts {
                $0.queued = queued()
                $0.leader?.seenAt = nil
            })
        expect(
            .waitsForRelay, "No relay has led yet",
            facts {
                $0.queued = queued()
                $0.leader = nil
            })
    }

    @Test func whatIsPublishedWaitsForItsUser() {
        let published = queued { $0.isPublished = true }
        expect(.waitsForUser, "waits for alice to come: no session", facts { $0.queued = published })
        expect(
            .waitsForUser, "no session of alice is subscribed to their queue, of 1 session open",
            facts {
                $0.queued = published
                $0.sessions = [session(isSubscribed: false)]
            })
        expect(
            .waitsForAcknowledgement,
            "waits for alice's client to acknowledge it: 1 session subscribed, the newest for 30 s on "
                + "0.0.0.0:8080 on node-1 by websocket.",
            facts {
                $0.queued = published
                $0.sessions = [session(isSubscribed: true), session(isSubscribed: false)]
            })
        expect(
            .published, "to the topic news, to which 1 session is subscribed now",
            facts {
                $0.log?.receiver = nil
                $0.log?.topic = "news"
                $0.queued = published
                $0.sessions = [session(isSubscribed: nil)]
            })
    }

    @Test func whatIsHeldBackSaysForHowLongAndWhy() {
        expect(
            .heldBack, "held back for another 30 s, as it was sent so.",
            facts { $0.queued = queued { $0.notBefore = 1_030 } })
        expect(
            .heldBack, "held back for another 5.0 s after 2 tries: refused by the client (NACK).",
            facts {
                $0.queued = queued {
                    $0.notBefore = 1_005
                    $0.attempts = 2
                    $0.lastError = "refused by the client (NACK)"
                }
            })
        expect(
            .waitsForRelay, "Its time has come", facts { $0.queued = queued { $0.notBefore = 999 } })
        expect(
            .waitsForRelay, "It has expired; the relay marks it",
            facts {
                $0.log?.expiresAt = 999
                $0.queued = queued()
            })
    }

    @Test func whatIsOverSaysHowItEnded() {
        expect(.delivered, "2.5 s after it was written.", facts("delivered") { $0.log?.deliveredAt = 942.5 })
        expect(.expired, "Expired: Too late.", facts("expired") { $0.log?.statusReason = "Too late." })
        expect(
            .cancelled, "Cancelled by shop. To deliver it",
            facts("cancelled") { $0.log?.statusReason = "Cancelled by shop." })
        expect(
            .parked, "Parked: refused by the client (NACK) 5 times. It waits for an operator: belfry replay --id 7",
            facts("parked") {
                $0.parked = MessageFacts.Parked()
                $0.parked?.reason = "refused by the client (NACK) 5 times"
            })
        expect(.unqueued, "belfry replay --id 7 queues it", facts())
    }

    @Test func eventsComeInTheirOrderWithTheTimeBetween() {
        let report = TraceReport(
            Self.id,
            facts("delivered") {
                $0.log?.deliveredAt = 940.25
                $0.log?.viewedAt = 990
                $0.log?.type = "JSON\u{202E}"
                $0.sessions = [session(isSubscribed: true)]
            })
        #expect(report.events.map(\.at) == [940, 940.25, 970, 990])
        let lines = report.text.split(separator: "\n")
        #expect(lines[0].hasPrefix("7  Delivered:"))
        #expect(lines[1].hasSuffix("written for alice, type JSON\u{FFFD}, 0 bytes of data"))
        #expect(lines[2].contains("1970-01-01T00:15:40.250Z  +250 ms") && lines[2].hasSuffix("marked delivered"))
        #expect(report.isOver)
    }
}

/// What a terminal would take for a command.
struct VisibleTextTests {
    @Test func itIsReplacedInTextAndEscapedInJSON() {
        #expect(VisibleText.of("a\tb\u{1B}[2Jc\u{9B}d\u{202E}e\nf") == "a\tb\u{FFFD}[2Jc\u{FFFD}d\u{FFFD}e\u{FFFD}f")
        #expect(VisibleText.inJSON("{\n\"a\":\"\u{9B}\u{2066}ü👩‍👧\"}") == "{\n\"a\":\"\\u009b\\u2066ü👩‍👧\"}")
    }
}

/// What relay and nodes noted, and operators did, among what the books say.
struct TraceHopsTests {
    private func hop(_ at: Double, _ what: String, _ details: [String: String] = [:]) -> MessageFacts.Hop {
        var hop = MessageFacts.Hop()
        hop.at = at
        hop.what = what
        hop.process = "host/1/x"
        hop.details = details
        return hop
    }

    @Test func hopsStandAmongTheBooksInOrder() {
        var facts = MessageFacts()
        var log = MessageFacts.Log()
        log.receiver = "alice"
        log.type = "JSON_MSG"
        log.status = "delivered"
        log.createdAt = 100
        log.deliveredAt = 100.4
        facts.log = log
        facts.writer = MessageFacts.Writer()
        facts.writer?.role = "shop"
        facts.writer?.application = "checkout"
        let session = ["session": "s", "user": "alice", "transport": "tcp"]
        facts.hops = [
            hop(100.1, "pickedUp", ["why": "watch", "term": "3"]), hop(100.15, "published", ["term": "3"]),
            hop(100.2, "received"), hop(100.25, "sent", session), hop(100.3, "acknowledged", session),
            hop(100.45, "marked"), hop(101, "published", ["term": "4", "redelivered": "true"]),
            hop(102, "publishFailed", ["reason": "no", "term": "4"]), hop(103, "parked", ["reason": "no"]),
            hop(104, "givenBack", session), hop(105, "refused", session),
        ]
        facts.hops[0].committedAt = 100.05
        var act = MessageFacts.Act()
        act.at = 100.9
        act.act = "replay"
        act.who = "belfry"
        act.actor = "root"
        act.isNamed = true
        facts.acts = [act]
        let report = TraceReport(MessageID(rawValue: 7), facts)
        #expect(report.traced == "watch")
        #expect(
            report.events.map(\.what) == [
                "written for alice by the role shop, application checkout, type JSON_MSG, 0 bytes of data",
                "committed", "picked up by the relay host/1/x, term 3", "published by the relay host/1/x, term 3",
                "received by the node host/1/x",
                "sent to the session s of alice (tcp) by the node host/1/x",
                "acknowledged by the session s of alice (tcp), node host/1/x",
                "acknowledged and marked delivered", "its answer is committed, node host/1/x",
                "replayed by root (as belfry)",
                "published again by the relay host/1/x, term 4, as redelivered",
                "refused by the bus: no (relay host/1/x, term 4)", "parked by host/1/x: no",
                "left unanswered by the session s of alice (tcp), node host/1/x",
                "refused by the session s of alice (tcp), node host/1/x",
            ])
        #expect(report.text.contains("+50 ms      committed"))
    }

    @Test func hopsOfAMessageThatIsGoneAreTold() {
        var facts = MessageFacts()
        facts.highestID = 9
        facts.hops = [hop(100, "published", ["why": "sample"])]
        let report = TraceReport(MessageID(rawValue: 7), facts)
        #expect(report.place == .deleted && report.events.map(\.what) == ["published by the relay host/1/x"])
        #expect(report.sentence.contains("retention has deleted it"))
    }

    @Test func whatOnlyFitsSaysSo() {
        var facts = MessageFacts()
        facts.log = MessageFacts.Log()
        var act = MessageFacts.Act()
        act.act = "replay_job_created"
        act.who = "carol"
        facts.acts = [act]
        #expect(
            TraceReport(MessageID(rawValue: 7), facts).events.contains {
                $0.what == "a job that replays was made by carol, perhaps: its criteria fit this message"
            })
    }
}
