import BelfryModel
import Foundation
import STOMP
import TestBasics
import TestSupport
import Testing

@Suite struct FirstPathTests {
    /// The five minutes of a new user: insert, see it arrive, acknowledge, see the row delivered.
    @Test func anInsertedRowArrivesAndIsDelivered() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            let id = try await belfry.application.notify("alice", #"{"hello": "world"}"#)

            let message = try await alice.nextMessage()
            #expect(message.messageID == id)
            #expect(message.headers["subscription"] == "0")
            #expect(message.headers["destination"] == "/user/queue/msg")
            #expect(message.headers["content-type"] == "application/json")
            #expect(message.headers["redelivered"] == nil)
            let body = try #require(
                try JSONSerialization.jsonObject(with: Data(message.body.readableBytesView)) as? [String: Any])
            #expect(body["id"] as? String == String(id))
            #expect(body["type"] as? String == "JSON_MSG")
            #expect(body["receiver"] as? String == "alice")
            #expect(body["data"] as? [String: String] == ["hello": "world"])
            #expect(body["viewed"] as? Bool == false)
            let created = try #require(body["created"] as? Double)
            #expect(abs(created / 1_000 - Date().timeIntervalSince1970) < 60)

            #expect(try await belfry.application.status(id) == "pending")
            try await alice.ack(message, receipt: "ack")
            // The receipt means committed.
            #expect(try await belfry.application.status(id) == "delivered")
            #expect(try await belfry.application.value("select count(*) from belfry.outbox") == "0")
        }
    }

    @Test func whatCameWhileAwayArrivesInOrderOnce() async throws {
        try await Installation.with { belfry in
            let first = try await belfry.connect("alice")
            try await first.subscribe("/user/queue/msg", receipt: "sub")
            // With a message her session's row is there, and can be seen to go.
            try await belfry.application.notify("alice", "0")
            try await first.ack(try await first.nextMessages(1)[0], receipt: "ack")
            try await first.disconnect()
            // With a session of hers left, what comes now may have been seen.
            try await eventually("her session has left") {
                try await belfry.application.value("select count(*) from belfry.session") == "0"
            }
            var ids: [Int64] = []
            for number in 1...3 { ids.append(try await belfry.application.notify("alice", "\(number)")) }

            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            let messages = try await alice.nextMessages(3)
            #expect(messages.map(\.messageID) == ids)
            #expect(messages.allSatisfy { $0.headers["redelivered"] == nil })
            for message in messages { try await alice.ack(message) }
            for id in ids { try await belfry.application.waitForStatus("delivered", of: id) }
            #expect(alice.pendingFrames.isEmpty)
        }
    }

    @Test func rolledBackIsNeverDelivered() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            var committed: [Int64] = []
            for number in 0..<20 {
                try await belfry.application.run("begin")
                let id = try await belfry.application.notify("alice", "\(number)")
                try await belfry.application.run(number.isMultiple(of: 3) ? "commit" : "rollback")
                if number.isMultiple(of: 3) { committed.append(id) }
            }
            let messages = try await alice.nextMessages(committed.count)
            #expect(messages.map(\.messageID) == committed)
            let last = try await belfry.application.notify("alice", "\"last\"")
            #expect(try await alice.nextMessage().messageID == last)
        }
    }

    @Test func unacknowledgedMessagesComeBackMarked() async throws {
        try await Installation.with { belfry in
            let first = try await belfry.connect("alice")
            try await first.subscribe("/user/queue/msg", receipt: "sub")
            let id = try await belfry.application.notify("alice")
            #expect(try await first.nextMessage().messageID == id)
            await first.socket.abort()

            let second = try await belfry.connect("alice")
            try await second.subscribe("/user/queue/msg", receipt: "sub")
            let again = try await second.nextMessage()
            #expect(again.messageID == id)
            #expect(again.headers["redelivered"] == "true")
        }
    }

    @Test func noUserSeesAnothersMessages() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            let bob = try await belfry.connect("bob")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            try await bob.subscribe("/user/queue/msg", receipt: "sub")
            let id = try await belfry.application.notify("alice")
            let message = try await alice.nextMessage()
            #expect(message.messageID == id)
            // Bob's try to acknowledge it changes nothing.
            try await bob.ack(message, receipt: "ack")
            #expect(try await belfry.application.status(id) == "pending")
            #expect(bob.pendingFrames.isEmpty)
        }
    }
}
