import BelfryModel
import Foundation
import HTTPPeer
import Logging
import MessageTrace
import NIOPosix
import OutgoingHTTP
import Synchronization
import TestBasics
import Testing
import Tracing

@testable import OTLPTracing

/// Spans, from what relay and nodes note to what a collector gets: a real HTTP server of the test's own.
@Suite struct OTLPExporterTests {
    private static let lines = Array(
        "traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ntracestate:v=1\n".utf8)

    private func span(
        _ operation: MessageSpan.Operation, id: Int64 = 7, outcome: MessageSpan.Outcome = .done
    ) throws -> MessageSpan {
        let parent = try #require(Self.lines.withUnsafeBytes { TraceParent(inHeaderLines: $0) })
        return MessageSpan(
            operation, parent: parent, message: MessageID(rawValue: id), address: .user("alice"),
            publication: .init(xid: 9, term: 3), start: 1_000, end: 2_000, outcome: outcome, bodyBytes: 12,
            [.init("belfry.session", .text("s")), .init("belfry.relay.term", .number(3))])
    }

    /// Runs `body` with an exporter that brings spans to a peer.
    private func withExporter(
        _ peer: HTTPPeer, spansMax: Int = 100, patience: Duration = .seconds(60), isRunning: Bool = true,
        _ body: (SpanQueue, MessageTracer, OTLPExporter) async throws -> Void
    ) async throws {
        let configuration = try #require(
            OTLPConfiguration(
                endpoint: peer.url(""), fields: [("api-key", "k")], service: ("shop-belfry", "host/1/x", "1.2.3")))
        let queue = SpanQueue(spansMax: spansMax)
        let client = OutgoingHTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        let exporter = OTLPExporter(
            configuration, queue: queue, client: client,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), interval: .milliseconds(10),
            patience: patience)
        let running = isRunning ? Task { await exporter.run() } : nil
        do {
            try await body(queue, MessageTracer(queue: queue), exporter)
        } catch {
            running?.cancel()
            await client.shutdown()
            throw error
        }
        running?.cancel()
        await running?.value
        await client.shutdown()
    }

    private struct Request: Decodable {
        struct Value: Decodable {
            let stringValue: String?
            let intValue: String?
        }
        struct Attribute: Decodable {
            let key: String
            let value: Value
        }
        struct Span: Decodable {
            struct Link: Decodable {
                let traceId: String
                let spanId: String
            }
            struct Status: Decodable {
                let code: Int
                let message: String?
            }
            let traceId: String
            let spanId: String
            let parentSpanId: String
            let traceState: String?
            let name: String
            let kind: Int
            let startTimeUnixNano: String
            let endTimeUnixNano: String
            let attributes: [Attribute]
            let links: [Link]
            let status: Status?
        }
        struct Scope: Decodable { let spans: [Span] }
        struct Resource: Decodable { let attributes: [Attribute] }
        struct ResourceSpans: Decodable {
            let resource: Resource
            let scopeSpans: [Scope]
        }
        let resourceSpans: [ResourceSpans]
        var spans: [Span] { resourceSpans.flatMap { $0.scopeSpans.flatMap(\.spans) } }
    }

    private func spans(_ peer: HTTPPeer) throws -> [Request.Span] {
        try peer.requests.flatMap { try JSONDecoder().decode(Request.self, from: Data($0.body.utf8)).spans }
    }

    @Test func theCollectorGetsBothSpansOfTheApplicationsTrace() async throws {
        let peer = try await HTTPPeer.start { _ in .answer(status: 200, body: "{}") }
        try await withExporter(peer) { _, tracer, _ in
            tracer.add(try span(.publish))
            tracer.add(try span(.deliver))
            try await eventually("two spans") { try spans(peer).count == 2 }
        }
        let request = try #require(peer.requests.first)
        #expect(request.method == "POST" && request.path == "/v1/traces")
        #expect(request.field("content-type") == "application/json" && request.field("api-key") == "k")
        let document = try JSONDecoder().decode(Request.self, from: Data(request.body.utf8))
        let resource = Dictionary(
            uniqueKeysWithValues: try #require(document.resourceSpans.first).resource.attributes.map {
                ($0.key, $0.value.stringValue)
            })
        #expect(resource["service.name"] == "shop-belfry" && resource["service.instance.id"] == "host/1/x")
        #expect(resource["service.version"] == "1.2.3")

        let both = try spans(peer)
        let (publish, deliver) = (both[0], both[1])
        for span in both {
            #expect(span.traceId == "0af7651916cd43dd8448eb211c80319c" && span.parentSpanId == "b7ad6b7169203331")
            #expect(span.traceState == "v=1" && span.startTimeUnixNano == "1000" && span.endTimeUnixNano == "2000")
        }
        #expect(publish.name == "belfry.relay publish" && publish.kind == 4 && publish.links.isEmpty)
        #expect(deliver.name == "belfry.node deliver" && deliver.kind == 5)
        #expect(deliver.links.map(\.spanId) == [publish.spanId] && deliver.spanId != publish.spanId)
        let attributes = Dictionary(uniqueKeysWithValues: deliver.attributes.map { ($0.key, $0.value) })
        #expect(attributes["messaging.system"]?.stringValue == "belfry")
        #expect(attributes["messaging.message.id"]?.stringValue == "7")
        #expect(attributes["messaging.operation.type"]?.stringValue == "process")
        #expect(attributes["messaging.destination.name"]?.stringValue == "/user/alice/queue")
        #expect(attributes["messaging.destination.template"]?.stringValue == "/user/{id}/queue")
        #expect(attributes["messaging.message.body.size"]?.intValue == "12")
        #expect(attributes["belfry.session"]?.stringValue == "s" && attributes["belfry.relay.term"]?.intValue == "3")
        #expect(attributes["belfry.session"]?.stringValue == "s")
    }

    @Test func whatWasRefusedIsAnError() async throws {
        let peer = try await HTTPPeer.start { _ in .answer(status: 200, body: "") }
        try await withExporter(peer) { _, tracer, _ in
            tracer.add(try span(.deliver, outcome: .failed("NACK")))
            tracer.add(try span(.deliver, outcome: .unanswered))
            try await eventually("two spans") { try spans(peer).count == 2 }
        }
        let both = try spans(peer)
        #expect(both[0].status?.code == 2 && both[0].status?.message == "NACK" && both[1].status == nil)
    }

    @Test func aCollectorThatIsBusyGetsThemLater() async throws {
        let tries = Mutex(0)
        let peer = try await HTTPPeer.start { _ in
            let number = tries.withLock { tries in
                tries += 1
                return tries
            }
            return number == 1
                ? .answer(status: 503, body: "", fields: [("Retry-After", "1")]) : .answer(status: 200, body: "")
        }
        let began = ContinuousClock.now
        try await withExporter(peer) { queue, tracer, _ in
            tracer.add(try span(.publish))
            try await eventually("the second try") { peer.requests.count == 2 }
            #expect(began.duration(to: .now) >= .seconds(1))
            #expect(queue.count == 0)
        }
        #expect(try spans(peer).map(\.spanId).count == 2)
        #expect(Set(try spans(peer).map(\.spanId)).count == 1)
    }

    @Test func aCollectorThatRefusesGetsThemOnce() async throws {
        let peer = try await HTTPPeer.start { _ in .answer(status: 400, body: "") }
        try await withExporter(peer) { queue, tracer, _ in
            tracer.add(try span(.publish))
            try await eventually("the try") { peer.requests.count == 1 }
            tracer.add(try span(.publish, id: 8))
            try await eventually("the next spans") { peer.requests.count == 2 }
            #expect(queue.count == 0)
        }
    }

    @Test func whatCanNotBeBroughtForTooLongIsGivenUp() async throws {
        let peer = try await HTTPPeer.start { $0.body.contains("\"7\"") ? .hangUp : .answer(status: 200, body: "") }
        try await withExporter(peer, patience: .milliseconds(300)) { _, tracer, _ in
            tracer.add(try span(.publish, id: 7))
            try await eventually("a try") { !peer.requests.isEmpty }
            tracer.add(try span(.publish, id: 8))
            try await eventually("the span behind it") { peer.requests.contains { $0.body.contains("\"8\"") } }
        }
    }

    @Test func theQueueIsBounded() async throws {
        let peer = try await HTTPPeer.start { _ in .answer(status: 200, body: "") }
        try await withExporter(peer, spansMax: 3, isRunning: false) { queue, tracer, exporter in
            for id in 1...10 { tracer.add(try span(.publish, id: Int64(id))) }
            #expect(queue.count == 3)
            await exporter.finish(within: .seconds(5))
        }
        #expect(try spans(peer).count == 3)
    }

    @Test func atTheEndWhatWasUnderWayIsSentToo() async throws {
        let isReady = Mutex(false)
        let peer = try await HTTPPeer.start { _ in
            isReady.withLock { $0 } ? .answer(status: 200, body: "") : .silence
        }
        try await withExporter(peer, isRunning: false) { queue, tracer, exporter in
            let running = Task { await exporter.run() }
            tracer.add(try span(.publish))
            try await eventually("the try under way") { peer.requests.count == 1 }
            isReady.withLock { $0 = true }
            running.cancel()
            await running.value
            #expect(queue.count == 1)
            await exporter.finish(within: .seconds(5))
            #expect(queue.count == 0)
        }
        #expect(peer.requests.count == 2)
    }
}
