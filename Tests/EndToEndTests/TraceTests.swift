import BelfryModel
import DatabaseSupport
import Logging
import MessageTrace
import Outbox
import Postgres
import Synchronization
import TestBasics
import TestSupport
import Testing

/// What relay and node note of messages, and what spans they make: from an INSERT to the client's answer.
@Suite struct TraceTests {
    private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

    /// Remembers spans.
    private final class Spans: MessageSpans {
        private let all = Mutex<[MessageSpan]>([])

        func add(_ span: MessageSpan) { all.withLock { $0.append(span) } }

        func of(_ id: Int64) -> [MessageSpan] { all.withLock { $0.filter { $0.message.rawValue == id } } }
    }

    /// An installation that notes, and what writes it.
    private func withTrace(
        limits: Limits = Limits(), nodes: Int = 1, _ change: (inout TraceSettings) -> Void = { _ in },
        _ body: (Installation, Spans, TraceStore) async throws -> Void
    ) async throws {
        var settings = TraceSettings()
        settings.sample = 0
        settings.slowerThan = .zero
        change(&settings)
        let spans = Spans()
        let recorder = TraceRecorder(settings, spans: spans)
        try await Installation.with(nodes: nodes, limits: limits, trace: recorder) { belfry in
            let client = PostgresClient(
                configuration: try PostgresConfiguration(url: belfry.databaseURL, applicationName: "trace"), size: 1)
            client.start()
            let writer = TraceWriter(
                recorder, executor: client, process: "here", keep: settings.keep,
                logger: Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() })
            let running = Task { await writer.run(isLeading: { true }) }
            do {
                try await body(belfry, spans, TraceStore(executor: client))
            } catch {
                running.cancel()
                await running.value
                await client.close()
                throw error
            }
            running.cancel()
            await running.value
            await client.close()
        }
    }

    private func notify(
        _ belfry: Installation, _ receiver: String, traceparent: String? = nil
    ) async throws -> Int64 {
        try await belfry.application.value(
            """
            insert into belfry.message_log (receiver, type, data, headers)
            values ($1, 'JSON_MSG', '1', case when $2::text is not null then jsonb_build_object('traceparent', $2) end)
            returning id
            """, [.text(receiver), traceparent.map { .text($0) } ?? .null]
        ).flatMap { Int64($0) } ?? 0
    }

    /// A client that is subscribed and through with its backlog: what comes from now on comes by the bus.
    private func live(_ user: String, _ belfry: Installation) async throws -> STOMPClient {
        let client = try await belfry.connect(user)
        try await client.subscribe("/user/queue/msg", receipt: "sub")
        _ = try await belfry.application.notify(user)
        try await client.ack(try await client.nextMessage(), receipt: "first")
        return client
    }

    /// Waits until the hops of a message are these. A node may have a message before the bus has answered the relay,
    /// so that their order is not looked at.
    private func expectHops(
        _ hops: [String], of id: Int64, _ store: TraceStore, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var last: [String] = []
        let isSo = await isEventually(within: .seconds(20)) {
            last = ((try? await store.facts(of: MessageID(rawValue: id)))?.hops ?? []).map(\.what)
            return last.sorted() == hops.sorted()
        }
        #expect(isSo, "\(last)", sourceLocation: sourceLocation)
    }

    @Test func aSampledMessageLeavesItsWholeWay() async throws {
        try await withTrace({ $0.sample = 2 }) { belfry, spans, store in
            let alice = try await live("alice", belfry)
            let ids = [try await notify(belfry, "alice"), try await notify(belfry, "alice")].sorted { $0 % 2 > $1 % 2 }
            for message in try await alice.nextMessages(2) { try await alice.ack(message, receipt: "ack") }
            try await expectHops(
                ["pickedUp", "published", "received", "sent", "acknowledged", "marked"], of: ids[1], store)
            try await expectHops([], of: ids[0], store)
            let hops = try await store.facts(of: MessageID(rawValue: ids[1])).hops
            #expect(hops.allSatisfy { $0.details["why"] == "sample" && $0.process == "here" })
            func hop(_ what: String) throws -> MessageFacts.Hop { try #require(hops.first { $0.what == what }) }
            let (published, sent, answered) = (try hop("published"), try hop("sent"), try hop("acknowledged"))
            #expect(published.details["term"] == "1" && sent.details["user"] == "alice")
            #expect(sent.details["session"] == answered.details["session"])
            #expect(sent.details["transport"] == "websocket")
            let order = [try hop("pickedUp"), sent, answered, try hop("marked")].map(\.at)
            #expect(order == order.sorted() && hops.first?.what == "pickedUp")
            // No application traces it.
            #expect(spans.of(ids[1]).isEmpty)
        }
    }

    @Test func aSampledTraceBecomesHopsAndSpans() async throws {
        try await withTrace { belfry, spans, store in
            let alice = try await live("alice", belfry)
            let asked = try await notify(belfry, "alice", traceparent: Self.parent + "-01")
            let quiet = try await notify(belfry, "alice", traceparent: Self.parent + "-00")
            for message in try await alice.nextMessages(2) {
                // As the application wrote it.
                #expect(message.headers["traceparent"]?.hasPrefix(Self.parent) == true)
                try await alice.ack(message, receipt: "ack")
            }
            try await expectHops(
                ["pickedUp", "published", "received", "sent", "acknowledged", "marked"], of: asked, store)
            try await expectHops([], of: quiet, store)
            let facts = try await store.facts(of: MessageID(rawValue: asked))
            #expect(facts.writer?.role == "postgres" && facts.writer?.application == "application")
            #expect(spans.of(quiet).isEmpty)
            let both = spans.of(asked)
            #expect(both.map(\.operation) == [.publish, .deliver])
            #expect(both[0].publicationSpan != nil && both[0].publicationSpan == both[1].publicationSpan)
            #expect(both.allSatisfy { $0.outcome == .done && $0.start <= $0.end && $0.bodyBytes ?? 0 > 0 })
            #expect(both[0].start <= both[1].start && both[0].parent.span == 0xb7ad_6b71_6920_3331)
        }
    }

    @Test func aReceiverUnderWatchIsTracedWithinSeconds() async throws {
        try await withTrace { belfry, _, store in
            let bob = try await live("bob", belfry)
            let before = try await notify(belfry, "bob")
            try await bob.ack(try await bob.nextMessage(), receipt: "ack")
            let watch = try await belfry.application.value("select belfry.set_watch('bob')")
            try await eventually("a message of bob's is traced") {
                let id = try await notify(belfry, "bob")
                try await bob.ack(try await bob.nextMessage(), receipt: "ack")
                try await Task.sleep(for: .milliseconds(600))
                return try await store.facts(of: MessageID(rawValue: id)).hops.first?.details["why"] == "watch"
            }
            try await expectHops([], of: before, store)
            try await belfry.application.run("select belfry.end_watch(\(watch ?? "0"))")
            try await eventually("no message of bob's is traced") {
                let id = try await notify(belfry, "bob")
                try await bob.ack(try await bob.nextMessage(), receipt: "ack")
                try await Task.sleep(for: .milliseconds(1_200))
                return try await store.facts(of: MessageID(rawValue: id)).hops.isEmpty
            }
        }
    }

    @Test func whatIsRefusedIsNotedOfAllAndItsSpanFails() async throws {
        var limits = Limits()
        limits.nackDelay = .milliseconds(200)
        limits.nacksMax = 2
        try await withTrace(limits: limits) { belfry, spans, store in
            let alice = try await live("alice", belfry)
            let id = try await notify(belfry, "alice")
            for number in 1...2 { try await alice.nack(try await alice.nextMessage(), receipt: "n\(number)") }
            try await expectHops(["refused", "refused", "parked"], of: id, store)
            let asked = try await notify(belfry, "alice", traceparent: Self.parent + "-01")
            try await alice.nack(try await alice.nextMessage(), receipt: "asked")
            let deliver = try #require(spans.of(asked).last)
            #expect(deliver.operation == .deliver && deliver.outcome == .failed("NACK"))
        }
    }

    @Test func whatASessionLeavesUnansweredComesFromTheBacklogOfTheNext() async throws {
        try await withTrace({ $0.sample = 1 }) { belfry, spans, store in
            let first = try await live("alice", belfry)
            let id = try await notify(belfry, "alice", traceparent: Self.parent + "-01")
            _ = try await first.nextMessage()
            try await first.disconnect()
            try await eventually("the span of the first") { spans.of(id).last?.outcome == .unanswered }
            let second = try await belfry.connect("alice")
            try await second.subscribe("/user/queue/msg", receipt: "sub")
            try await second.ack(try await second.nextMessage(), receipt: "ack")
            try await expectHops(
                ["pickedUp", "published", "received", "sent", "givenBack", "sent", "acknowledged", "marked"], of: id,
                store)
            let sent = try await store.facts(of: MessageID(rawValue: id)).hops.filter { $0.what == "sent" }
            #expect(sent[1].details["redelivered"] == "true")
        }
    }

    @Test func whatWasWrittenBeforeAnybodyCameIsTracedFromTheBacklog() async throws {
        try await withTrace { belfry, spans, store in
            let id = try await notify(belfry, "alice", traceparent: Self.parent + "-01")
            try await eventually("the relay's span") { spans.of(id).count == 1 }
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            try await alice.ack(try await alice.nextMessage(), receipt: "ack")
            try await expectHops(["pickedUp", "published", "sent", "acknowledged", "marked"], of: id, store)
            let sent = try await store.facts(of: MessageID(rawValue: id)).hops.first { $0.what == "sent" }
            #expect(sent?.details["from"] == "backlog")
            // Which publication it was of is not known: no link.
            #expect(spans.of(id).last?.publicationSpan == nil)
        }
    }

    @Test func aSlowMessageIsTracedFromWhereItIsFoundSlow() async throws {
        try await withTrace({ $0.slowerThan = .milliseconds(300) }) { belfry, _, store in
            let alice = try await live("alice", belfry)
            let quick = try await notify(belfry, "alice")
            try await alice.ack(try await alice.nextMessage(), receipt: "ack")
            let slow = try await notify(belfry, "alice")
            let message = try await alice.nextMessage()
            try await Task.sleep(for: .milliseconds(400))
            try await alice.ack(message, receipt: "ack2")
            try await expectHops(["acknowledged"], of: slow, store)
            try await expectHops([], of: quick, store)
            #expect(try await store.facts(of: MessageID(rawValue: slow)).hops.first?.details["why"] == "slow")
        }
    }

    @Test func aBroadcastIsFollowedToAFewSessions() async throws {
        try await withTrace({ $0.sample = 1 }) { belfry, _, store in
            var clients: [STOMPClient] = []
            for number in 0..<40 {
                let client = try await belfry.connect("user\(number)")
                try await client.subscribe("/topic/news", receipt: "sub")
                clients.append(client)
            }
            let id = try await belfry.application.broadcast("news")
            for client in clients { try await client.ack(try await client.nextMessage(), receipt: "ack") }
            // An installation has two event loops, each with its bound.
            try await eventually("hops of acknowledgements") {
                let hops = try await store.facts(of: MessageID(rawValue: id)).hops
                let sent = hops.count { $0.what == "sent" }
                return sent == hops.count { $0.what == "acknowledged" } && (16...32).contains(sent)
            }
        }
    }
}
