import BelfryModel
import DatabaseSupport
import Foundation
import NIOCore
import STOMP
import TestBasics
import TestSupport
import Testing

/// An open transaction of an application delays nobody's message but its own, and is aborted by nothing of Belfry's.
@Suite(.serialized) struct OpenTransactionTests {
    private func subscribed(_ user: String, _ belfry: Installation) async throws -> STOMPClient {
        let client = try await belfry.connect(user)
        try await client.subscribe("/user/queue/msg", receipt: "sub")
        return client
    }

    @Test func anOpenCancelDelaysItsOwnReceiptOnly() async throws {
        try await Installation.with { belfry in
            let (ann, bob) = (try await subscribed("ann", belfry), try await subscribed("bob", belfry))
            let held = try await belfry.application.notify("ann")
            let free = try await belfry.application.notify("ann")
            _ = try await belfry.application.notify("bob")
            let anns = try await ann.nextMessages(2)
            let bobs = try await bob.nextMessage()
            let application = try await Application.connect(belfry.databaseURL)
            try await application.run("begin; select belfry.cancel(\(held))")
            for (client, message, receipt) in [(ann, anns[0], "held"), (ann, anns[1], "free"), (bob, bobs, "bob's")] {
                try await client.send(
                    Frame(.ack, ["id": message.headers["ack"] ?? "", "receipt": receipt]))
            }
            _ = try await bob.nextReceipt("bob's", within: .seconds(5))
            let first = try await ann.next("her other receipt", within: .seconds(5))
            #expect(first.headers["receipt-id"] == "free")
            #expect(try await belfry.application.status(free) == "delivered")
            // Who comes meanwhile gets his backlog.
            _ = try await belfry.application.notify("eve")
            let eve = try await subscribed("eve", belfry)
            _ = try await eve.nextMessage(within: .seconds(5))
            try await application.run("rollback")
            _ = try await ann.nextReceipt("held")
            #expect(try await belfry.application.status(held) == "delivered")
            await application.close()
        }
    }

    /// The application cancels in another order than acknowledgements are written.
    @Test func noApplicationIsAbortedByADeadlock() async throws {
        try await Installation.with { belfry in
            let ann = try await subscribed("ann", belfry)
            for _ in 0..<5 {
                var ids: [Int64] = []
                for _ in 0..<10 { ids.append(try await belfry.application.notify("ann")) }
                let messages = try await ann.nextMessages(10)
                let application = try await Application.connect(belfry.databaseURL)
                try await application.run("begin; select belfry.cancel(\(ids[9]))")
                for message in messages { try await ann.ack(message) }
                try await belfry.application.waitForStatus("delivered", of: ids[4])
                try await application.run("select belfry.cancel(\(ids[0])); commit")
                #expect(try await belfry.application.status(ids[9]) == "cancelled")
                await application.close()
            }
        }
    }

    @Test func anOpenCancelOfABroadcastHoldsUpNoOther() async throws {
        try await Installation.with { belfry in
            let ann = try await belfry.connect("ann")
            try await ann.subscribe("/topic/news", receipt: "sub")
            let application = try await Application.connect(belfry.databaseURL)
            // Its cursor has still to move past a broadcast whose row is held.
            try await application.run(
                """
                begin;
                select belfry.broadcast('news', 'JSON_MSG', '1', not_before => now() + interval '300 ms');
                commit;
                begin; select belfry.cancel(max(id)) from belfry.message_log; rollback
                """)
            _ = try await ann.nextMessage()
            let second = try await belfry.application.broadcast("news")
            try await application.run("begin; select belfry.cancel(\(second))")
            for _ in 0..<5 {
                let id = try await belfry.application.broadcast("news")
                let message = try await next(ann, id)
                #expect(message.headers["message-id"] == String(id))
            }
            try await application.run("rollback")
            try await eventually("its publication is noted") {
                try await belfry.application.value(
                    "select count(*) from belfry.outbox where published_at is null and topic is not null") == "0"
            }
            await application.close()
        }
    }

    private func next(_ client: STOMPClient, _ id: Int64) async throws -> Frame {
        while true {
            let message = try await client.nextMessage(within: .seconds(5))
            if message.headers["message-id"] == String(id) { return message }
        }
    }

    /// Large messages come in several pages, the later of which are read before the mark of the first subscription's
    /// end commits.
    @Test func whatAnEndedSubscriptionHadComesMarkedToTheNext() async throws {
        try await Installation.with { belfry in
            let ann = try await belfry.connect("ann")
            try await ann.subscribe("/user/queue/msg", id: "1", receipt: "sub")
            try await belfry.application.run(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'ann', 'JSON_MSG', to_jsonb(repeat('x', 20000)) from generate_series(1, 100)
                """)
            _ = try await ann.nextMessages(100)
            try await ann.send(Frame(.unsubscribe, ["id": "1"]))
            try await ann.subscribe("/user/queue/msg", id: "2")
            let again = try await ann.nextMessages(100)
            #expect(again.count { $0.headers["redelivered"] == "true" } == 100)
        }
    }

    // MARK: The end of a node

    /// Its rows are held when it is asked to stop: what its client has seen is marked later, by the relay.
    @Test func whatAStoppingNodeCannotMarkComesMarkedLater() async throws {
        let databaseURL = try await TestServer.makeDatabase().url
        let redis = try await TestServers.shared.sharedRedis()
        func environment(_ port: Int) -> [String: String] {
            [
                "BELFRY_POSTGRES_URL": databaseURL, "BELFRY_REDIS_URL": redis.url, "BELFRY_AUTH": "dev",
                "BELFRY_LISTEN": "127.0.0.1:\(port)",
            ]
        }
        let ports = [freePort(), freePort()]
        let nodes = try ports.enumerated().map {
            try BelfryProcess(["node"], environment: environment($1), name: "stopping-node-\($0)")
        }
        let relay = try BelfryProcess(["relay"], environment: environment(ports[0]), name: "stopping-relay")
        defer { (nodes + [relay]).forEach { $0.kill() } }
        let application = try await Application.connect(databaseURL)
        let ann = try await eventually("she connects") { try? await STOMPClient.connect(port: ports[0], token: "ann") }
        try await ann.subscribe("/user/queue/msg", receipt: "sub")
        let ids = [try await application.notify("ann"), try await application.notify("ann")]
        _ = try await ann.nextMessages(2)
        let holder = try await Application.connect(databaseURL)
        try await holder.run("begin; select belfry.cancel(id) from belfry.message_log")
        #expect(nodes[0].terminate() == 0)
        try await holder.run("rollback")
        #expect(try await application.value("select count(*) from belfry.session") == "1")
        let again = try await eventually("she connects to the other node") {
            try? await STOMPClient.connect(port: ports[1], token: "ann")
        }
        try await again.subscribe("/user/queue/msg")
        let messages = try await again.nextMessages(2)
        #expect(messages.map { $0.headers["message-id"] } == ids.map { String($0) })
        #expect(messages.allSatisfy { $0.headers["redelivered"] == "true" })
        await holder.close()
        await application.close()
    }
}
