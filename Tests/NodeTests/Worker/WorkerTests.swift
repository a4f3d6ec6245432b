import BelfryModel
import DatabaseSupport
import NIOCore
import NIOConcurrencyHelpers
import Postgres
import PrivateServers
import STOMP
import Testing

@testable import Node

/// One worker with a real database; the test plays the relay.
@Suite("A worker with PostgreSQL")
struct WorkerTests {
    private static func with(
        limits: Limits = Limits(), _ body: (TestNode, Application) async throws -> Void
    ) async throws {
        let url = try await TestServer.makeDatabase().url
        let database = try await Application.connect(url)
        try await TestNode.with(limits: limits, databaseURL: url) { node in try await body(node, database) }
        await database.connection.close()
    }

    private static func id(_ frame: Frame) -> Int64? { frame.headers["message-id"].flatMap { Int64($0) } }

    private static func acknowledge(_ frame: Frame, by client: TestClient, receipt: String? = nil) async throws {
        let header = receipt.map { "receipt:\($0)\n" } ?? ""
        try await client.send("ACK\nid:\(frame.headers["ack"] ?? "")\n\(header)\n\0")
    }

    // MARK: Backlog

    @Test("A backlog longer than a page comes in order, and is delivered when it is acknowledged")
    func backlog() async throws {
        var limits = Limits()
        limits.backlogRowsMax = 3
        try await Self.with(limits: limits) { node, database in
            var ids: [Int64] = []
            for number in 0..<10 { ids.append(try await database.notify("alice", "{\"n\":\(number)}")) }
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg", headers: "receipt:sub\n")
            _ = try await client.frame(.receipt)
            var messages: [Frame] = []
            for id in ids {
                messages.append(try await client.frame(.message))
                #expect(messages.last.flatMap(Self.id) == id)
                #expect(messages.last?.headers["redelivered"] == nil)
                #expect(try await database.status(id) == "pending")
            }
            for (id, message) in zip(ids, messages) {
                try await Self.acknowledge(message, by: client, receipt: "r\(id)")
                #expect(try await client.frame(.receipt).headers["receipt-id"] == "r\(id)")
                #expect(try await database.status(id) == "delivered", "the RECEIPT says that it is committed")
            }
            #expect(try await database.outboxCount() == "0")
        }
    }

    @Test("No more than the window is in flight; an ACK makes room for the rest")
    func window() async throws {
        var limits = Limits()
        limits.inFlightMax = 4
        limits.backlogRowsMax = 3
        try await Self.with(limits: limits) { node, database in
            var ids: [Int64] = []
            for _ in 0..<12 { ids.append(try await database.notify("alice")) }
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg", ack: "client")
            for round in 0..<3 {
                var last: Frame?
                for id in ids[round * 4..<(round + 1) * 4] {
                    let message = try await client.frame(.message)
                    #expect(Self.id(message) == id)
                    last = message
                }
                await node.loop.advanceTime(by: .milliseconds(100))
                try await client.read()
                #expect(client.frames.count == 1 + (round + 1) * 4, "not before there is room")
                try await Self.acknowledge(try #require(last), by: client)
            }
            _ = try await node.eventually("all delivered") { try await database.outboxCount() == "0" ? true : nil }
        }
    }

    @Test("A backlog waits for a client that does not read, and goes on when it does")
    func slowBacklog() async throws {
        try await Self.with { node, database in
            _ = try await database.value(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'alice', 'JSON_MSG', to_jsonb(repeat('x', 4000)) from generate_series(1, 600)
                """)
            let client = try await node.connect(as: "alice")
            try await client.stopReading()
            try await client.subscribe("/user/queue/msg", ack: "client")
            for _ in 0..<50 {
                await node.loop.advanceTime(by: .milliseconds(10))
                try await Task.sleep(for: .milliseconds(2))
            }
            let waiting = try await client.channel.getOption(.bufferedWritableBytes).get()
            #expect(waiting < 600_000, "2.4 MB are in the backlog; few of them wait here")
            #expect(try await node.sessions() == 1)
            try await client.readAgain()
            for id in 1...600 { #expect(Self.id(try await client.frame(.message)) == Int64(id)) }
        }
    }

    @Test("In mode auto a message is delivered once its bytes were flushed")
    func auto() async throws {
        try await Self.with { node, database in
            let first = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await client.stopReading()
            try await client.subscribe("/user/queue/msg", ack: "auto")
            for _ in 0..<20 { await node.loop.advanceTime(by: .milliseconds(10)) }
            #expect(try await database.status(first) == "pending")
            try await client.readAgain()
            #expect(Self.id(try await client.frame(.message)) == first)
            _ = try await node.eventually("delivered") { try await database.status(first) == "delivered" ? true : nil }
        }
    }

    // MARK: Backlog and live

    @Test("What is in the backlog and comes live too is sent once, in order with what follows")
    func splice() async throws {
        try await Self.with { node, database in
            let old = try await database.notify("alice")
            let (oldXid, oldTime) = (try await database.xid(old), try await database.createdAt(old))
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg")
            try await node.publish(old, to: .user("alice"), xid: oldXid, createdAt: oldTime)
            #expect(Self.id(try await client.frame(.message)) == old)
            let new = try await database.notify("alice")
            let (newXid, newTime) = (try await database.xid(new), try await database.createdAt(new))
            for _ in 0..<3 {
                try await node.publish(new, to: .user("alice"), xid: newXid, createdAt: newTime)
                try await node.publish(old, to: .user("alice"), xid: oldXid, createdAt: oldTime)
            }
            let message = try await client.frame(.message)
            #expect(Self.id(message) == new)
            try await Self.acknowledge(message, by: client, receipt: "acknowledged")
            _ = try await client.frame(.receipt)
            // Repeats after the ACK.
            try await node.publish(new, to: .user("alice"), xid: newXid, createdAt: newTime)
            let last = try await database.notify("alice")
            try await node.publish(
                last, to: .user("alice"), xid: try await database.xid(last),
                createdAt: try await database.createdAt(last))
            #expect(Self.id(try await client.frame(.message)) == last)
        }
    }

    @Test("Each session of a user gets a message, and the first ACK makes it delivered")
    func severalSessions() async throws {
        try await Self.with { node, database in
            let clients = [try await node.connect(as: "alice"), try await node.connect(as: "alice")]
            let stranger = try await node.connect(as: "bob")
            for client in clients + [stranger] {
                try await client.subscribe("/user/queue/msg", headers: "receipt:sub\n")
                _ = try await client.frame(.receipt)
            }
            let id = try await database.notify("alice")
            try await node.publish(
                id, to: .user("alice"), xid: try await database.xid(id), createdAt: try await database.createdAt(id))
            let messages = [try await clients[0].frame(.message), try await clients[1].frame(.message)]
            #expect(messages.map(Self.id) == [id, id])
            try await Self.acknowledge(messages[1], by: clients[1], receipt: "r")
            _ = try await clients[1].frame(.receipt)
            #expect(try await database.status(id) == "delivered")
            try await Self.acknowledge(messages[0], by: clients[0], receipt: "r")
            _ = try await clients[0].frame(.receipt)
            try await stranger.read()
            #expect(stranger.frames.count == 2, "nobody else gets it")
        }
    }

    @Test("What the bus lost is found by reconcile")
    func reconcile() async throws {
        var limits = Limits()
        limits.reconcileInterval = .milliseconds(20)
        try await Self.with(limits: limits) { node, database in
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg", headers: "receipt:sub\n")
            _ = try await client.frame(.receipt)
            let id = try await database.notify("alice")
            await node.loop.advanceTime(by: .seconds(1))
            #expect(Self.id(try await client.frame(.message)) == id)
            try await node.publish(
                id, to: .user("alice"), xid: try await database.xid(id), createdAt: try await database.createdAt(id))
            await node.loop.advanceTime(by: .seconds(1))
            try await client.read()
            #expect(client.frames.count { $0.command == .message } == 1)
        }
    }

    @Test("Without the bus, subscribing and delivering go on from PostgreSQL, and its return repeats nothing")
    func withoutBus() async throws {
        var limits = Limits()
        limits.degradedInterval = .milliseconds(20)
        try await Self.with(limits: limits) { node, database in
            let early = try await node.connect(as: "alice")
            try await early.subscribe("/user/queue/msg", headers: "receipt:sub\n")
            _ = try await early.frame(.receipt)
            node.bus.disconnect()
            let late = try await node.connect(as: "alice")
            try await late.subscribe("/user/queue/msg", headers: "receipt:sub\n")
            _ = try await late.frame(.receipt)
            let first = try await database.notify("alice")
            await node.loop.advanceTime(by: .seconds(1))
            for client in [early, late] { #expect(Self.id(try await client.frame(.message)) == first) }
            node.bus.reconnect()
            let second = try await database.notify("alice")
            try await node.isOpen(.user("alice"))
            try await node.publish(
                second, to: .user("alice"), xid: try await database.xid(second),
                createdAt: try await database.createdAt(second))
            for client in [early, late] {
                #expect(Self.id(try await client.frame(.message)) == second)
                await node.loop.advanceTime(by: .seconds(1))
                try await client.read()
                #expect(client.frames.count { $0.command == .message } == 2)
            }
        }
    }

    // MARK: What comes back

    @Test("What a session left unacknowledged comes to the next one, marked redelivered", arguments: [true, false])
    func redelivered(disconnects: Bool) async throws {
        try await Self.with { node, database in
            let ids = [try await database.notify("alice"), try await database.notify("alice")]
            let first = try await node.connect(as: "alice")
            try await first.subscribe("/user/queue/msg")
            let message = try await first.frame(.message)
            _ = try await first.frame(.message)
            try await Self.acknowledge(message, by: first)
            if disconnects {
                try await first.send("DISCONNECT\nreceipt:bye\n\n\0")
                _ = try await first.frame(.receipt)
            } else {
                try await first.vanish()
            }
            let next = try await node.connect(as: "alice")
            try await next.subscribe("/user/queue/msg")
            let again = try await next.frame(.message)
            #expect(Self.id(again) == ids[1])
            #expect(again.headers["redelivered"] == "true")
        }
    }

    @Test("A message that is refused waits for its time, and is not sent again before")
    func refused() async throws {
        var limits = Limits()
        limits.reconcileInterval = .milliseconds(20)
        try await Self.with(limits: limits) { node, database in
            let id = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg")
            let message = try await client.frame(.message)
            try await client.send("NACK\nid:\(message.headers["ack"] ?? "")\nreceipt:no\n\n\0")
            _ = try await client.frame(.receipt)
            #expect(
                try await database.value(
                    "select (not_before > now() and redelivered and attempts = 1)::text from belfry.outbox")
                    == "true")
            await node.loop.advanceTime(by: .seconds(1))
            try await client.read()
            #expect(client.frames.count { $0.command == .message } == 1)
            #expect(try await database.status(id) == "pending")
        }
    }

    // MARK: Marks that PostgreSQL refuses or cannot take now

    @Test("A mark that PostgreSQL refuses for good stops nobody else's, and its session starts anew")
    func faultyMark() async throws {
        try await Self.with { node, database in
            let clients = [try await node.connect(as: "alice"), try await node.connect(as: "bob")]
            for client in clients { try await client.subscribe("/user/queue/msg") }
            let ids = [try await database.notify("alice"), try await database.notify("bob")]
            let messages = [try await clients[0].frame(.message), try await clients[1].frame(.message)]
            try await database.connection.run(
                """
                create function refuse() returns trigger language plpgsql as $$ begin
                    if new.receiver = 'alice' then raise exception 'not this one'; end if; return new; end $$;
                create trigger refuse before update on belfry.message_log for each row execute function refuse()
                """)
            for (client, message) in zip(clients, messages) {
                try await Self.acknowledge(message, by: client, receipt: "r")
            }
            _ = try await clients[1].frame(.receipt)
            #expect(try await database.status(ids[1]) == "delivered")
            #expect(try await clients[0].close() == .close(code: 1011, reason: CloseReason.internalError.text))
            #expect(try await database.status(ids[0]) == "pending")
        }
    }

    @Test("A message that was deleted from the log while it was in flight is refused, and nobody waits for it")
    func deletedInFlight() async throws {
        var limits = Limits()
        limits.nacksMax = 1
        try await Self.with(limits: limits) { node, database in
            let clients = [try await node.connect(as: "alice"), try await node.connect(as: "bob")]
            for client in clients { try await client.subscribe("/user/queue/msg") }
            let ids = [try await database.notify("alice"), try await database.notify("bob")]
            let messages = [try await clients[0].frame(.message), try await clients[1].frame(.message)]
            try await database.connection.run("delete from belfry.message_log where id = \(ids[0])")
            try await clients[0].send("NACK\nid:\(messages[0].headers["ack"] ?? "")\nreceipt:no\n\n\0")
            try await Self.acknowledge(messages[1], by: clients[1], receipt: "yes")
            _ = try await clients[0].frame(.receipt)
            _ = try await clients[1].frame(.receipt)
            #expect(try await database.status(ids[1]) == "delivered")
            #expect(try await database.outboxCount() == "0")
        }
    }

    @Test("Subscriptions that come and go while a reading hangs are not kept")
    func readersThatHaveEnded() async throws {
        try await Self.with { node, database in
            try await database.connection.run("begin; lock table belfry.session")
            let client = try await node.connect(as: "alice")
            for _ in 0..<100 {
                let pairs = (0..<20).map { number in
                    "SUBSCRIBE\nid:\(number)\ndestination:/user/queue/q\n\n\0UNSUBSCRIBE\nid:\(number)\n\n\0"
                }
                try await client.send(pairs.joined())
                for _ in 0..<4 { await node.loop.advanceTime(by: .milliseconds(1)) }
            }
            let worker = node.worker
            #expect(try await node.loop.executeInContext { worker.backlogs.waitingCount } <= 200)
            try await database.connection.run("rollback")
        }
    }

    @Test("A subscription is read although another of its session, in line before it, has ended")
    func behindOneThatHasEnded() async throws {
        try await Self.with { node, database in
            // Another session of hers: the channel is open already.
            let other = try await node.connect(as: "alice")
            try await other.subscribe("/user/queue/msg")
            try await node.isLive(.user("alice"))
            let id = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await client.send(
                "SUBSCRIBE\nid:0\ndestination:/user/queue/a\n\n\0SUBSCRIBE\nid:1\ndestination:/user/queue/b\n\n\0"
                    + "UNSUBSCRIBE\nid:0\n\n\0")
            let message = try await client.frame(.message)
            #expect(Self.id(message) == id)
            #expect(message.headers["subscription"] == "1")
        }
    }

    @Test("Nobody acknowledges what was not sent to him")
    func isolation() async throws {
        try await Self.with { node, database in
            let id = try await database.notify("alice")
            let mallory = try await node.connect(as: "mallory")
            try await mallory.subscribe("/user/queue/alice", headers: "receipt:sub\n")
            _ = try await mallory.frame(.receipt)
            try await mallory.send("ACK\nid:1-\(id)\nreceipt:r\n\n\0")
            _ = try await mallory.frame(.receipt)
            #expect(try await database.status(id) == "pending")
            #expect(mallory.frames.count { $0.command == .message } == 0)
        }
    }
}
