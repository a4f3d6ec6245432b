import BelfryModel
import NIOCore
import Synchronization
import Testing

@testable import MessageTrace
@testable import Node

/// Which messages an event loop follows, and for how long.
@Suite struct FollowedMessagesTests {
    private static let headerLines = "traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"

    /// Remembers spans.
    private final class Spans: MessageSpans {
        private let all = Mutex<[MessageSpan]>([])
        var outcomes: [MessageSpan.Outcome] { all.withLock { $0.map(\.outcome) } }

        func add(_ span: MessageSpan) { all.withLock { $0.append(span) } }
    }

    /// A client of alice's that is subscribed, on a node that traces every second message.
    private func withClient(
        spans: Spans = Spans(), _ body: (TestNode, TraceRecorder) async throws -> Void
    ) async throws {
        var settings = TraceSettings()
        settings.sample = 2
        settings.slowerThan = .zero
        let recorder = TraceRecorder(settings, spans: spans)
        let node = try await TestNode(trace: recorder)
        do {
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/topic/news")
            try await node.isLive(.topic("news"))
            try await body(node, recorder)
        } catch {
            await node.stop()
            throw error
        }
        await node.stop()
    }

    private func followed(_ node: TestNode) async throws -> Int {
        let worker = node.worker
        return try await node.loop.executeInContext { worker.followed.count }
    }

    @Test func onlyTracedMessagesAreFollowed() async throws {
        try await withClient { node, recorder in
            for id in 1...10 { try await node.publish(Int64(id), to: .topic("news")) }
            try await node.publish(11, to: .topic("news"), headerLines: Self.headerLines)
            _ = try await node.eventually("all have come") { try await followed(node) == 6 ? true : nil }
            let hops = recorder.take(100).hops
            #expect(hops.map(\.message.rawValue) == [2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 11, 11])
            #expect(hops.prefix(2).map(\.what) == [.received, .sent] && hops.last?.reason == .asked)
        }
    }

    @Test func whatIsNotAnsweredIsLetGoInTime() async throws {
        let spans = Spans()
        try await withClient(spans: spans) { node, _ in
            try await node.publish(11, to: .topic("news"), headerLines: Self.headerLines)
            try await node.publish(12, to: .topic("news"))
            _ = try await node.eventually("both have come") { try await followed(node) == 2 ? true : nil }
            let worker = node.worker
            try await node.loop.executeInContext { worker.followed.tick(at: .now() + .minutes(14)) }
            #expect(try await followed(node) == 2)
            try await node.loop.executeInContext { worker.followed.tick(at: .now() + .minutes(16)) }
            #expect(try await followed(node) == 0)
            #expect(spans.outcomes == [.unanswered])
        }
    }

    @Test func whatIsMarkedIsLetGoOnceAllHaveAnswered() async throws {
        let spans = Spans()
        try await withClient(spans: spans) { node, _ in
            try await node.publish(11, to: .topic("news"), headerLines: Self.headerLines)
            _ = try await node.eventually("it has come") { try await followed(node) == 1 ? true : nil }
            let worker = node.worker
            let id = MessageID(rawValue: 11)
            // Another session may have answered first.
            try await node.loop.executeInContext { worker.followed.marked([id], except: []) }
            #expect(try await followed(node) == 1)
            let stamp = MessageStamp(id: id, xid: 1, createdAtMicroseconds: 11)
            try await node.loop.executeInContext {
                guard let consumer = worker.feed.audience(at: .topic("news"))?.consumers.first else { return }
                worker.followed.acknowledged([stamp], on: consumer)
                worker.followed.marked([id], except: [id])
            }
            #expect(try await followed(node) == 1)
            try await node.loop.executeInContext { worker.followed.marked([id], except: []) }
            #expect(try await followed(node) == 0)
            #expect(spans.outcomes == [.done])
        }
    }

    @Test func aMessageThatIsPublishedAgainBeginsAnew() async throws {
        try await withClient { node, _ in
            for xid in 1...3 {
                try await node.publish(11, to: .topic("news"), xid: UInt64(xid), headerLines: Self.headerLines)
            }
            _ = try await node.eventually("it has come") { try await followed(node) == 1 ? true : nil }
            let worker = node.worker
            try await node.loop.executeInContext { worker.followed.tick(at: .now() + .minutes(16)) }
            #expect(try await followed(node) == 0)
            // What is counted beside the messages is right: another one is found still.
            try await node.publish(13, to: .topic("news"), headerLines: Self.headerLines)
            _ = try await node.eventually("another has come") { try await followed(node) == 1 ? true : nil }
        }
    }
}
