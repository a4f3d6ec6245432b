import BelfryModel
import STOMP
import TestBasics
import TestSupport
import Testing

@Suite struct BacklogTests {
    /// More than a page, more than the window: everything comes, in order, once.
    @Test(arguments: ["client-individual", "auto"])
    func aLongBacklogArrivesInOrderOnce(mode: String) async throws {
        var limits = Limits()
        limits.backlogRowsMax = 50
        limits.inFlightMax = 120
        try await Installation.with(limits: limits) { belfry in
            try await belfry.application.run(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'alice', 'JSON_MSG', to_jsonb(n) from generate_series(1, 1000) n
                """)
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", ack: mode, receipt: "sub")
            // New ones keep coming while the backlog is read.
            for number in 1001...1100 { try await belfry.application.notify("alice", "\(number)") }
            var ids: [Int64] = []
            while ids.count < 1100 {
                let message = try await alice.nextMessage()
                ids.append(message.messageID)
                if mode != "auto" { try await alice.ack(message) }
            }
            #expect(ids.elementsEqual(1...1100), "\(irregularities(ids))")
            try await eventually("the outbox is empty") {
                try await belfry.application.value("select count(*) from belfry.outbox") == "0"
            }
            #expect(alice.pendingFrames.isEmpty)
        }
    }

    /// A client that never acknowledges gets as many as the window holds; the rest waits in PostgreSQL.
    @Test func theWindowBoundsWhatIsInFlight() async throws {
        var limits = Limits()
        limits.inFlightMax = 10
        try await Installation.with(limits: limits) { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            for number in 1...40 { try await belfry.application.notify("alice", "\(number)") }
            var messages = try await alice.nextMessages(10)
            #expect(alice.pendingFrames.isEmpty)
            var ids: [Int64] = []
            while !messages.isEmpty {
                let message = messages.removeFirst()
                ids.append(message.messageID)
                try await alice.ack(message, receipt: "r\(message.messageID)")
                if ids.count + messages.count < 40 {
                    while let next = try? await alice.nextMessage(within: .milliseconds(300)) { messages.append(next) }
                }
            }
            #expect(ids.elementsEqual(1...40), "\(irregularities(ids))")
        }
    }

    @Test func heldBackMessagesComeWhenDueAndExpiredOnesNever() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            try await belfry.application.run(
                """
                insert into belfry.message_log (receiver, type, data, not_before, expires_at) values
                    ('alice', 'JSON_MSG', '"later"', now() + interval '1 second', null),
                    ('alice', 'JSON_MSG', '"gone"', null, now() - interval '1 second'),
                    ('alice', 'JSON_MSG', '"now"', null, now() + interval '1 hour')
                """)
            #expect(try await alice.nextMessage().text.contains(#""data":"now""#))
            #expect(try await alice.nextMessage().text.contains(#""data":"later""#))
            try await belfry.application.waitForStatus("expired", of: 2)
            #expect(alice.pendingFrames.isEmpty)
        }
    }

    @Test func theRowsHeadersArriveAsSTOMPHeaders() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            try await belfry.application.run(
                #"""
                insert into belfry.message_log (receiver, type, data, headers) values
                    ('alice', 'JSON_MSG', '1', '{"traceparent": "00-ab", "odd:name": "a\\b\nc:d\r", "n": 7, "b": true}')
                """#)
            let live = try await alice.nextMessage()
            let other = try await belfry.connect("alice")
            try await other.subscribe("/user/queue/msg", receipt: "sub")
            for message in [live, try await other.nextMessage()] {
                #expect(message.headers["traceparent"] == "00-ab")
                #expect(message.headers["odd:name"] == "a\\b\nc:d\r")
                #expect(message.headers["n"] == "7")
                #expect(message.headers["b"] == "true")
            }
        }
    }
}

/// Where a list of ids does not go on by one.
private func irregularities(_ ids: [Int64]) -> [String] {
    zip(ids, ids.dropFirst()).filter { $1 != $0 + 1 }.map { "\($0) then \($1)" }
}
