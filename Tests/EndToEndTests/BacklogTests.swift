import BelfryClient
import BelfryModel
import STOMP
import TestBasics
import TestSupport
import Testing

@Suite struct BacklogTests {
    /// More than a page, more than the window: everything comes, in order, once.
    @Test(arguments: [AckMode.clientIndividual, .auto])
    func aLongBacklogArrivesInOrderOnce(mode: AckMode) async throws {
        var limits = Limits()
        limits.backlogRowsMax = 50
        limits.inFlightMax = 120
        try await Installation.with(limits: limits) { belfry in
            try await belfry.application.run(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'alice', 'JSON_MSG', to_jsonb(n) from generate_series(1, 1000) n
                """)
            try await belfry.withClient(of: "alice") { alice in
                var messages = alice.messages(ack: mode).makeAsyncIterator()
                try await messages.subscribed()
                // New ones keep coming while the backlog is read.
                for number in 1001...1100 { try await belfry.application.notify("alice", "\(number)") }
                var ids: [Int64] = []
                while ids.count < 1100, let message = try await messages.next() {
                    ids.append(Int64(message.id) ?? 0)
                    message.ack()
                }
                #expect(ids.elementsEqual(1...1100), "\(irregularities(ids))")
                try await eventually("the outbox is empty") { try await belfry.application.outboxCount() == "0" }
                let last = try await belfry.application.notify("alice")
                #expect(try await messages.next()?.id == "\(last)", "nothing came twice")
            }
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
            try await belfry.withClient(of: "alice") { alice in
                var messages = alice.messages().makeAsyncIterator()
                try await messages.subscribed()
                try await belfry.application.run(
                    """
                    insert into belfry.message_log (receiver, type, data, not_before, expires_at) values
                        ('alice', 'JSON_MSG', '"later"', now() + interval '1 second', null),
                        ('alice', 'JSON_MSG', '"gone"', null, now() - interval '1 second'),
                        ('alice', 'JSON_MSG', '"now"', null, now() + interval '1 hour')
                    """)
                #expect(try await messages.next(2).map(\.json) == ["now", "later"])
                try await belfry.application.waitForStatus("expired", of: 2)
                try await belfry.application.notify("alice", "\"last\"")
                #expect(try await messages.next()?.json == "last")
            }
        }
    }

    @Test func theRowsHeadersArriveAsSTOMPHeaders() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") { alice in
                var live = alice.messages().makeAsyncIterator()
                try await live.subscribed()
                try await belfry.application.run(
                    #"""
                    insert into belfry.message_log (receiver, type, data, headers) values
                        ('alice', 'JSON_MSG', '1',
                            '{"traceparent": "00-ab", "odd:name": "a\\b\nc:d\r", "n": 7, "b": true}')
                    """#)
                var messages = try await live.next(1)
                var backlog = alice.messages().makeAsyncIterator()
                messages += try await backlog.next(1)
                for message in messages {
                    #expect(message.headers["traceparent"] == "00-ab")
                    #expect(message.headers["odd:name"] == "a\\b\nc:d\r")
                    #expect(message.headers["n"] == "7")
                    #expect(message.headers["b"] == "true")
                }
            }
        }
    }
}

/// Where a list of ids does not go on by one.
private func irregularities(_ ids: [Int64]) -> [String] {
    zip(ids, ids.dropFirst()).filter { $1 != $0 + 1 }.map { "\($0) then \($1)" }
}
