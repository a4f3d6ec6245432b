import Authentication
import BelfryModel
import Foundation
import NIOCore
import STOMP
import Testing

@testable import Node

/// A session lasts as long as its token, and may do what that says.
@Suite("The life of a token")
struct TokenLifeTests {
    private let authenticator = TestAuthenticator()

    private func with(_ body: (TestNode) async throws -> Void) async throws {
        try await TestNode.with(authenticator: authenticator, body)
    }

    private func connect(_ token: String, at node: TestNode) async throws -> (TestClient, connected: Frame) {
        let client = try await node.connect()
        try await client.send("CONNECT\naccept-version:1.2\nheart-beat:0,0\ntoken:\(token)\n\n\0")
        return (client, try await client.frame(.connected))
    }

    private func subscribe(_ client: TestClient, _ topic: String = "news") async throws {
        try await client.subscribe("/topic/\(topic)", id: topic, ack: "auto")
        try await client.node.isOpen(.topic(topic))
    }

    private func refresh(_ client: TestClient, _ token: String) async throws {
        try await client.send("SEND\ndestination:/app/auth.refresh\ntoken:\(token)\nreceipt:new\n\n\0")
    }

    private var now: Double { Date().timeIntervalSince1970 * 1_000 }

    // MARK: Expiry

    @Test("CONNECTED tells until when, and says nothing where there is no end")
    func connectedTells() async throws {
        try await with { node in
            let connected = try await connect(authenticator.token("alice", expiresIn: 60), at: node).connected
            let at = try #require(connected.headers["expires-at"].flatMap(Double.init))
            let left = try #require(connected.headers["expires-in"].flatMap(Double.init))
            #expect(abs(at - now - 60_000) < 20_000)
            #expect((40_000...60_000).contains(left))
            let endless = try await connect(authenticator.token("bob"), at: node).connected
            #expect(endless.headers["expires-at"] == nil && endless.headers["expires-in"] == nil)
        }
    }

    @Test("Not one message comes once the token has expired, before the clock's next tick either")
    func noMessageAfterExpiry() async throws {
        try await with { node in
            let (client, _) = try await connect(authenticator.token("alice", expiresIn: 1.5), at: node)
            let end = now + 1_500
            try await subscribe(client)
            try await node.publish(1, to: .topic("news"))
            try await client.message(1)
            // The test's own loop stands still meanwhile: no tick ends the session.
            try await Task.sleep(for: .milliseconds(end - now + 5))
            try await node.publish(2, to: .topic("news"))
            try await client.expectError(.tokenExpired)
        }
    }

    @Test("A session is not ended before its token expires, and at most a few milliseconds after")
    func endsInTime() async throws {
        try await with { node in
            let (client, connected) = try await connect(authenticator.token("alice", expiresIn: 1.2), at: node)
            let end = try #require(connected.headers["expires-at"].flatMap(Double.init))
            try await client.expectError(.tokenExpired)
            #expect(now >= end - 1)
        }
    }

    @Test("What it sends after the end is not carried out")
    func noFrameAfterExpiry() async throws {
        try await with { node in
            let (client, connected) = try await connect(authenticator.token("alice", expiresIn: 1), at: node)
            let end = try #require(connected.headers["expires-at"].flatMap(Double.init))
            try await Task.sleep(for: .milliseconds(end - now + 5))
            try await refresh(client, authenticator.token("alice", expiresIn: 60))
            try await client.expectError(.tokenExpired)
        }
    }

    // MARK: Refresh

    @Test("A new token in time: the session goes on, and the receipt tells until when")
    func refreshed() async throws {
        try await with { node in
            let (client, connected) = try await connect(authenticator.token("alice", expiresIn: 1.5), at: node)
            let end = try #require(connected.headers["expires-at"].flatMap(Double.init))
            try await subscribe(client)
            try await refresh(client, authenticator.token("alice", expiresIn: 60))
            let receipt = try await client.frame(.receipt)
            #expect(receipt.headers["receipt-id"] == "new")
            #expect(try #require(receipt.headers["expires-at"].flatMap(Double.init)) > end + 30_000)
            _ = try await node.eventually("the first token expires") { now > end + 300 ? true : nil }
            try await node.tick(.zero)
            try await node.publish(1, to: .topic("news"))
            try await client.message(1)
        }
    }

    @Test("The token may stand in the body, and be checked by others")
    func refreshedByOthers() async throws {
        try await with { node in
            let (client, _) = try await connect(authenticator.token("alice", expiresIn: 60), at: node)
            let token = authenticator.token("alice", later: true)
            try await client.send("SEND\ndestination:/app/auth.refresh\nreceipt:new\n\n\(token)\0")
            try await client.send("DISCONNECT\nreceipt:bye\n\n\0")
            _ = try await node.eventually("the question is asked") { authenticator.isWaiting(token) ? true : nil }
            try await client.read()
            #expect(client.frames.count == 1, "what comes behind waits")
            authenticator.answer(token)
            let receipt = try await client.frame(.receipt)
            #expect(receipt.headers["receipt-id"] == "new")
            #expect(receipt.headers["expires-at"] == nil, "the new one has no end")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "bye")
        }
    }

    @Test("The answer on a new token comes when the old one has expired: too late")
    func answerComesTooLate() async throws {
        try await with { node in
            let (client, connected) = try await connect(authenticator.token("alice", expiresIn: 1), at: node)
            let end = try #require(connected.headers["expires-at"].flatMap(Double.init))
            let token = authenticator.token("alice", later: true)
            try await refresh(client, token)
            _ = try await node.eventually("the question is asked") { authenticator.isWaiting(token) ? true : nil }
            try await Task.sleep(for: .milliseconds(max(0, end - now + 5)))
            authenticator.answer(token)
            try await client.expectError(.tokenExpired)
            #expect(node.context.occupancy.sessions == 0)
        }
    }

    @Test("No answer on a new token: the session ends after the time for a CONNECT")
    func refreshTimesOut() async throws {
        try await with { node in
            let (client, _) = try await connect(authenticator.token("alice"), at: node)
            let token = authenticator.token("alice", later: true)
            try await refresh(client, token)
            _ = try await node.eventually("the question is asked") { authenticator.isWaiting(token) ? true : nil }
            try await node.tick(.seconds(11))
            try await client.expectError(.authenticationUnavailable)
            authenticator.answer(token)
        }
    }

    @Test("Another user's token, or one that is refused, ends the session")
    func refusedRefresh() async throws {
        try await with { node in
            let (client, _) = try await connect(authenticator.token("alice", expiresIn: 60), at: node)
            try await refresh(client, authenticator.token("bob", expiresIn: 60))
            let error = try await client.frame(.error)
            #expect(error.headers["receipt-id"] == "new")
            #expect(error.headers["message"] == CloseReason.forbidden.text)
            try await client.expectClose(.forbidden)
            let (other, _) = try await connect(authenticator.token("alice", expiresIn: 60), at: node)
            try await refresh(other, "forged")
            let refusal = try await other.frame(.error)
            #expect(String(buffer: refusal.body) == "SEND: /app/auth.refresh: The token is forged.\n")
            try await other.expectClose(.unauthorized)
            #expect(node.context.occupancy.enter(user: "bob", atMost: 1), "no place of another user's was taken")
        }
    }

    // MARK: Rights

    @Test("A topic that the token does not allow is refused, the user's own queue never")
    func topicsByRight() async throws {
        try await with { node in
            let (client, _) = try await connect(
                authenticator.token("alice", topics: ["/topic/orders/*", "/user/queue/none"]), at: node)
            try await subscribe(client, "orders/7")
            try await client.subscribe("/user/queue/msg", id: "q")
            try await client.subscribe("/topic/orders", headers: "receipt:r\n")
            let error = try await client.frame(.error)
            #expect(error.headers["message"] == CloseReason.forbidden.text)
            #expect(error.headers["receipt-id"] == "r")
            #expect(String(buffer: error.body).hasPrefix("SUBSCRIBE: "))
            try await client.expectClose(.forbidden)
        }
    }

    @Test("The rights of a new token hold from then on, for running subscriptions too")
    func rightsOfANewToken() async throws {
        try await with { node in
            let (client, _) = try await connect(authenticator.token("alice", topics: ["/topic/a"]), at: node)
            try await subscribe(client, "a")
            try await refresh(client, authenticator.token("alice", topics: ["/topic/a", "/topic/b"]))
            _ = try await client.frame(.receipt)
            try await subscribe(client, "b")
            try await refresh(client, authenticator.token("alice", topics: ["/topic/b"]))
            let error = try await client.frame(.error)
            #expect(String(buffer: error.body).contains("'/topic/a'"))
            try await client.expectClose(.forbidden)
        }
    }
}
