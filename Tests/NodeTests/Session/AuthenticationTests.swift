import Authentication
import BelfryModel
import NIOCore
import Testing

@testable import Node

/// Who it is may take time to find out.
@Suite("A client whose authenticator has to ask others")
struct AuthenticationTests {
    private let authenticator = TestAuthenticator()

    private func with(_ change: (inout Limits) -> Void = { _ in }, _ body: (TestNode) async throws -> Void) async throws
    {
        var limits = Limits()
        limits.connectTimeout = .seconds(10_000)
        limits.heartBeatMilliseconds = 10_000_000
        change(&limits)
        try await TestNode.with(limits: limits, authenticator: authenticator, body)
    }

    private func connect(_ token: String) -> String { "CONNECT\naccept-version:1.2\ntoken:\(token)\n\n\0" }

    /// A client that has sent CONNECT and waits.
    private func waiting(_ token: String, at node: TestNode, and more: String = "") async throws -> TestClient {
        let client = try await node.connect()
        try await client.send(connect(token) + more)
        _ = try await node.eventually("the question is asked") { authenticator.isWaiting(token) ? true : nil }
        return client
    }

    /// The node's places, as those who ask count them.
    private func expectNobody(at node: TestNode) async throws {
        _ = try await node.eventually("nobody is asked about") { node.context.authentications.count == 0 ? true : nil }
        #expect(try await node.sessions() == 0)
        #expect(node.context.occupancy.sessions == 0)
        #expect(node.context.occupancy.enter(user: "alice", atMost: 1), "no place of the user's is taken")
    }

    @Test("What it sends behind CONNECT waits, and is dealt with in order")
    func framesWait() async throws {
        try await with { node in
            let token = authenticator.token("alice", later: true)
            let more = "SUBSCRIBE\nid:0\ndestination:/topic/news\nreceipt:r\n\n\0"
            let client = try await waiting(token, at: node, and: more)
            try await client.send("DISCONNECT\nreceipt:bye\n\n\0")
            try await client.read()
            #expect(client.received.isEmpty)
            authenticator.answer(token)
            #expect(try await client.frame(.connected).headers["user-name"] == "alice")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "r")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "bye")
            try await client.expectClose(.clientDisconnected)
            try await expectNobody(at: node)
        }
    }

    @Test("When it sends much meanwhile it is not read from")
    func readingIsPaused() async throws {
        try await with { node in
            let token = authenticator.token("alice", later: true)
            let client = try await waiting(token, at: node)
            let worker = node.worker
            func isPaused() async throws -> Bool {
                try await node.loop.executeInContext { worker.sessions.all.allSatisfy(\.isReadingPaused) }
            }
            #expect(try await !isPaused(), "its end would be seen")
            try await client.send(String(repeating: "\n", count: InboundFlow.unansweredBytesMax + 1))
            #expect(try await isPaused())
            authenticator.answer(token)
            _ = try await client.frame(.connected)
            _ = try await node.eventually("it is read from again") { try await isPaused() ? nil : true }
        }
    }

    @Test("Refused later: ERROR with the client's text alone")
    func refusedLater() async throws {
        try await with { node in
            let token = authenticator.token("alice", later: true)
            let client = try await waiting(token, at: node)
            authenticator.answer(token, AuthenticationError(.refused, "Unknown here.", detail: "No row in users."))
            let error = try await client.frame(.error)
            #expect(String(buffer: error.body) == "CONNECT: Unknown here.\n")
            try await client.expectClose(.unauthorized)
            try await expectNobody(at: node)
        }
    }

    @Test("Who would know can't be asked: it is told to come back, not that it is wrong")
    func unavailable() async throws {
        try await with { node in
            let token = authenticator.token("alice", later: true)
            let client = try await waiting(token, at: node)
            authenticator.answer(token, AuthenticationError(.unavailable, "Try later."))
            try await client.expectError(.authenticationUnavailable)
        }
    }

    @Test("No answer within the time for CONNECT: it is told to come back, and nobody waits for the answer")
    func timeout() async throws {
        try await with { node in
            let token = authenticator.token("alice", later: true)
            let client = try await waiting(token, at: node)
            try await node.tick(.seconds(9_000))
            try await client.read()
            #expect(client.received.isEmpty)
            try await node.tick(.seconds(10_001))
            try await client.expectError(.authenticationUnavailable)
            _ = try await node.eventually("it is cancelled") { authenticator.isCancelled(token) ? true : nil }
            #expect(node.context.authentications.count == 1, "what is still under way counts")
            authenticator.answer(token)
            try await expectNobody(at: node)
        }
    }

    @Test("It goes meanwhile: no place stays taken")
    func clientVanishes() async throws {
        try await with { node in
            let token = authenticator.token("alice", later: true)
            let client = try await waiting(token, at: node)
            try await client.vanish()
            _ = try await node.eventually("it is cancelled") { authenticator.isCancelled(token) ? true : nil }
            #expect(node.context.occupancy.sessions == 0)
            authenticator.answer(token)
            try await expectNobody(at: node)
        }
    }

    @Test("The node stops meanwhile")
    func nodeStops() async throws {
        try await with { node in
            let token = authenticator.token("alice", later: true)
            let client = try await waiting(token, at: node)
            let worker = node.worker
            try await node.loop.executeInContext { _ = worker.stop() }
            try await client.expectError(.shuttingDown)
            authenticator.answer(token)
            try await expectNobody(at: node)
        }
    }

    @Test("No more of them wait at once than the limit says")
    func bounded() async throws {
        try await with({ $0.authenticationsMax = 1 }) { node in
            let first = authenticator.token("alice", later: true)
            let client = try await waiting(first, at: node)
            let second = try await node.connect()
            try await second.send(connect(authenticator.token("bob", later: true)))
            try await second.expectError(.authenticationUnavailable)
            let third = try await node.connect()
            try await third.send(connect(authenticator.token("carol")))
            _ = try await third.frame(.connected)
            authenticator.answer(first)
            _ = try await client.frame(.connected)
            let fourth = authenticator.token("dave", later: true)
            let last = try await waiting(fourth, at: node)
            authenticator.answer(fourth)
            _ = try await last.frame(.connected)
        }
    }

    @Test("The user's places fill up while it waits")
    func placesFillUp() async throws {
        let limits: (inout Limits) -> Void = { limits in
            limits.sessionsPerUserMax = 1
            limits.closesOldestSession = false
        }
        try await with(limits) { node in
            let token = authenticator.token("alice", later: true)
            let client = try await waiting(token, at: node)
            let quick = try await node.connect()
            try await quick.send(connect(authenticator.token("alice")))
            _ = try await quick.frame(.connected)
            authenticator.answer(token)
            try await client.expectError(.tooManySessions)
            try await quick.vanish()
            try await expectNobody(at: node)
        }
    }
}
