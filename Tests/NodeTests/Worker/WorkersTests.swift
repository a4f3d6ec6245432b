import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import Node

@Suite struct WorkersTests {
    /// Which user's session the workers find under an id: asked from a thread that is no event loop.
    private func user(of id: SessionID, on node: TestNode) async -> String? {
        await withCheckedContinuation { continuation in
            node.workers.withSession(id) { session in
                if let session { session.worker.eventLoop.preconditionInEventLoop() }
                continuation.resume(returning: session?.user)
            }
        }
    }

    @Test func aSessionIsFoundByItsIDUntilItEnds() async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            let text = client.frames.first?.headers["session"]
            let id = try #require(text.flatMap { SessionID($0) }, "CONNECTED names it")
            #expect(await user(of: id, on: node) == "alice")
            try await client.vanish()
            #expect(await user(of: id, on: node) == nil)
        }
    }

    /// Clients of SockJS ask for their sessions' end, and send what they have, while connections are accepted still.
    @Test func sessionsAreDrainedAndNewOnesEndedAtOnce() async throws {
        try await TestNode.with { node in
            let clients = [try await node.connect(as: "alice"), try await node.connect(as: "bob")]
            async let isDrained: Void = node.workers.drain(within: .seconds(20))
            for client in clients { try await client.expectError(.shuttingDown) }
            let late = try await node.connect()
            try await late.expectError(.shuttingDown)
            for client in clients + [late] { try await client.vanish() }
            await isDrained
        }
    }

    @Test func anIDOfNoWorkerOrOfNoSessionIsNobodys() async throws {
        try await TestNode.with { node in
            #expect(await user(of: SessionID(worker: 0), on: node) == nil)
            #expect(await user(of: SessionID(worker: 1), on: node) == nil)
        }
    }
}
