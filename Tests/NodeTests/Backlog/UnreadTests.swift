import BelfryModel
import DatabaseSupport
import NIOCore
import PrivateServers
import STOMP
import Testing

@testable import Node

/// A subscription with `unread:true` is told how much is unread, then gets its backlog, then what comes live.
@Suite struct UnreadTests {
    /// A node on a database of its own, an application's connection to it, and the URL for more of them.
    private static func with(_ body: (TestNode, Application, String) async throws -> Void) async throws {
        let url = try await TestServer.makeDatabase().url
        let database = try await Application.connect(url)
        try await TestNode.with(databaseURL: url) { node in try await body(node, database, url) }
        await database.close()
    }

    private static func subscribe(
        _ client: TestClient, id: String = "0", ack: String = "client-individual", headers: String = ""
    ) async throws {
        try await client.subscribe("/user/queue/msg", id: id, ack: ack, headers: "unread:true\n\(headers)")
    }

    /// The next frame, which must be a count. Returns its body.
    @discardableResult
    private static func count(
        _ client: TestClient, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let frame = try await client.frame(.message, sourceLocation: sourceLocation)
        #expect(frame.headers["unread"] == "true", sourceLocation: sourceLocation)
        #expect(frame.headers["message-id"]?.hasPrefix("unread-") == true, sourceLocation: sourceLocation)
        #expect(frame.headers["ack"] == nil, sourceLocation: sourceLocation)
        return String(buffer: frame.body)
    }

    private static func counts(_ unviewed: Int, _ unseen: Int, _ changes: Int) -> String {
        "{\"unviewed\":\(unviewed),\"unseen\":\(unseen),\"changes\":\(changes)}"
    }

    // MARK: In one picture

    @Test func theCountComesFirstThenWhatItCountedThenTheRest() async throws {
        try await TestNode.withDatabase { node, database in
            let ids = [try await database.notify("alice"), try await database.notify("alice")]
            try await database.run("select belfry.mark_seen('alice', \(ids[0]))")
            let client = try await node.connect(as: "alice")
            try await Self.subscribe(client, headers: "receipt:s\n")
            _ = try await client.frame(.receipt)
            let count = try await client.frame(.message)
            #expect(String(buffer: count.body) == Self.counts(2, 1, 1))
            #expect(count.headers["subscription"] == "0" && count.headers["destination"] == "/user/queue/msg")
            #expect(count.headers["content-type"] == "application/json" && count.headers["error"] == nil)
            for id in ids { #expect(try await client.message(id).headers["counted"] == "true") }
            let notice = try await client.frame(.message)
            #expect(String(buffer: notice.body).contains("NOTIFY_VIEWED") && notice.headers["counted"] == "true")
            let live = try await database.notify("alice")
            try await node.publish(row: live, of: "alice", in: database)
            #expect(try await client.message(live).headers["counted"] == nil)
        }
    }

    @Test func whoDoesNotAskIsToldNothing() async throws {
        try await TestNode.withDatabase { node, database in
            let id = try await database.notify("alice")
            let clients = [try await node.connect(as: "alice"), try await node.connect(as: "alice")]
            try await clients[0].subscribe("/user/queue/msg")
            try await clients[1].subscribe("/user/queue/msg", headers: "unread:false\n")
            for client in clients { #expect(try await client.message(id).headers["counted"] == nil) }
        }
    }

    /// A transaction that began before the count and commits behind it comes on top, though its id is lower.
    @Test func whatCommitsLateWithALowerIDIsNotCounted() async throws {
        try await Self.with { node, database, url in
            let slow = try await Application.connect(url)
            try await slow.run("begin")
            let late = try await slow.notify("alice")
            let counted = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await Self.subscribe(client)
            #expect(try await Self.count(client) == Self.counts(1, 1, 0))
            #expect(try await client.message(counted).headers["counted"] == "true")
            try await node.isLive(.user("alice"))
            try await slow.run("commit")
            try await node.publish(row: late, of: "alice", in: database)
            #expect(try await client.message(late).headers["counted"] == nil)
            await slow.close()
        }
    }

    @Test func whatComesLiveMeanwhileIsOnTop() async throws {
        try await Self.with { node, database, url in
            // Counting waits for the application, after its statement's snapshot was taken.
            try await database.run(
                """
                create or replace function belfry.inbox_of(receiver text) returns belfry.inbox
                language plpgsql stable as $$ begin
                    while exists (select from pg_locks where locktype = 'advisory' and objid = 7) loop
                        perform pg_sleep(0.005);
                    end loop;
                    return row($1, 0, '1:1:', null, 0, '1:1:', '{}', 0)::belfry.inbox;
                end $$;
                select pg_advisory_lock(7)
                """)
            let old = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await Self.subscribe(client)
            try await Self.isCounting(node, database)
            let new = try await database.notify("alice")
            for id in [old, new] { try await node.publish(row: id, of: "alice", in: database) }
            _ = try await database.value("select pg_advisory_unlock(7)")
            #expect(try await Self.count(client) == Self.counts(1, 1, 0))
            #expect(try await client.message(old).headers["counted"] == "true")
            #expect(try await client.message(new).headers["counted"] == nil)
        }
    }

    /// Waits until a reading has failed. The loop's time does not go on to the next try.
    private static func hasFailed(_ node: TestNode) async throws {
        let worker = node.worker
        _ = try await node.eventually("a reading has failed") {
            try await node.loop.executeInContext {
                worker.sessions.all.contains { worker.backlogs.rowState(of: $0.id) == .uncertain } ? true : nil
            }
        }
    }

    /// Waits until a count of the node's sleeps.
    private static func isCounting(_ node: TestNode, _ database: Application) async throws {
        _ = try await node.eventually("counting waits") {
            try await database.value(
                """
                select exists (
                    select from pg_stat_activity
                    where datname = current_database() and wait_event = 'PgSleep')::text
                """) == "true" ? true : nil
        }
    }

    @Test func aLongBacklogIsOfOneCount() async throws {
        var limits = Limits()
        limits.backlogRowsMax = 2
        try await TestNode.withDatabase(limits: limits) { node, database in
            var ids: [Int64] = []
            for _ in 0..<7 { ids.append(try await database.notify("alice")) }
            let client = try await node.connect(as: "alice")
            try await Self.subscribe(client, ack: "client", headers: "prefetch-count:3\n")
            #expect(try await Self.count(client) == Self.counts(7, 7, 0))
            for id in ids.prefix(2) { try await client.message(id) }
            let third = try await client.message(ids[2])
            await node.loop.advanceTime(by: .milliseconds(100))
            try await client.read()
            #expect(client.frames.count == 5, "the count takes no room, and no more is sent than was asked for")
            let late = try await database.notify("alice")
            try await client.acknowledge(third)
            for id in ids.dropFirst(3).prefix(2) {
                #expect(try await client.message(id).headers["counted"] == "true")
            }
            let sixth = try await client.message(ids[5])
            try await client.acknowledge(sixth)
            #expect(try await client.message(ids[6]).headers["counted"] == "true")
            #expect(try await client.message(late).headers["counted"] == nil, "after the reading that was counted")
        }
    }

    @Test func everySessionAndSubscriptionHasACountOfItsOwn() async throws {
        try await TestNode.withDatabase { node, database in
            let id = try await database.notify("alice")
            var seen: Set<String> = []
            for _ in 0..<2 {
                let client = try await node.connect(as: "alice")
                for subscription in ["a", "b", "a"] {
                    try await Self.subscribe(client, id: subscription)
                    let count = try await client.frame(.message)
                    #expect(String(buffer: count.body) == Self.counts(1, 1, 0))
                    #expect(count.headers["subscription"] == subscription)
                    seen.insert(count.headers["message-id"] ?? "")
                    try await client.message(id)
                    if subscription == "a" { try await client.send("UNSUBSCRIBE\nid:a\n\n\0") }
                }
                try await client.vanish()
            }
            #expect(seen.count == 6, "clients know repeats by the message-id")
        }
    }

    /// The bus brings what was missed, and no other count.
    @Test func whatIsReadAgainIsNotCountedAgain() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await Self.subscribe(client)
            #expect(try await Self.count(client) == Self.counts(0, 0, 0))
            try await node.isLive(.user("alice"))
            node.bus.disconnect()
            let missed = try await database.notify("alice")
            node.bus.reconnect()
            #expect(try await client.message(missed).headers["counted"] == nil)
        }
    }

    @Test func anotherIncarnationIsCountedAnew() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await Self.subscribe(client)
            try await Self.count(client)
            try await node.isLive(.user("alice"))
            let id = try await database.notify("alice")
            try await database.run("update belfry.incarnation set id = gen_random_uuid()")
            let other = try await node.connect(as: "bob")
            try await other.subscribe("/user/queue/msg")
            #expect(try await Self.count(client) == Self.counts(1, 1, 0))
            #expect(try await client.message(id).headers["counted"] == "true")
        }
    }

    // MARK: Who asks

    @Test(arguments: ["1.1", "1.0"])
    func earlierVersions(_ version: String) async throws {
        try await TestNode.withDatabase { node, database in
            let id = try await database.notify("alice")
            let client = try await node.connect()
            try await client.send("CONNECT\naccept-version:\(version)\ntoken:alice\n\n\0")
            _ = try await client.frame(.connected)
            let name = version == "1.0" ? "" : "id:a\\cb\n"
            try await client.send("SUBSCRIBE\n\(name)destination:/user/queue/a b\nunread:true\nack:client\n\n\0")
            let count = try await client.frame(.message)
            #expect(String(buffer: count.body) == Self.counts(1, 1, 0) && count.headers["unread"] == "true")
            #expect(count.headers["subscription"] == (version == "1.0" ? nil : "a:b"))
            #expect(count.headers["destination"] == "/user/queue/a b")
            let message = try await client.message(id)
            #expect(message.headers["counted"] == "true" && message.headers["ack"] == nil)
        }
    }

    @Test func itIsNoMessageToAcknowledge() async throws {
        try await TestNode.withDatabase { node, database in
            let id = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await Self.subscribe(client, ack: "auto")
            try await Self.count(client)
            try await client.message(id)
            _ = try await node.eventually("delivered") { try await database.status(id) == "delivered" ? true : nil }
            #expect(try await database.value("select count(*) from belfry.message_log") == "1")
        }
    }

    /// A page of the design before Belfry gets what it leaves unanswered again, and no other count.
    @Test func whatComesAgainByItselfIsNotCountedAgain() async throws {
        var limits = Limits()
        limits.commandAckTimeout = .milliseconds(50)
        try await TestNode.withDatabase(limits: limits) { node, database in
            let id = try await database.notify("alice")
            var connection = ClientConnection(transport: "websocket")
            connection.acknowledgesByCommand = true
            let client = try await node.connect(as: "alice", by: connection)
            try await client.send("SUBSCRIBE\nid:0\ndestination:/user/queue/msg\nunread:true\n\n\0")
            try await Self.count(client)
            for _ in 0..<3 { #expect(try await client.message(id).headers["counted"] == "true") }
        }
    }

    @Test(arguments: [
        ("/user/queue/reply", "the header unread is for the other queues"), ("/topic/news", "of a topic nobody counts"),
    ])
    func whereThereIsNoCountItIsRefused(_ destination: String, _ sentence: String) async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            try await client.subscribe(destination, headers: "unread:true\nreceipt:r\n")
            let error = try await client.frame(.error)
            #expect(String(buffer: error.body).contains(sentence) && error.headers["receipt-id"] == "r")
        }
    }

    // MARK: Without a count

    @Test func withoutHistoriesTheBacklogComesAllTheSame() async throws {
        try await TestNode.withDatabase { node, database in
            try await database.run("drop index belfry.message_log_history")
            let id = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await Self.subscribe(client)
            let notice = try await client.frame(.message)
            #expect(notice.headers["unread"] == "true" && notice.headers["error"] == "invalid")
            #expect(
                String(buffer: notice.body)
                    == #"{"error":{"code":"invalid","message":"Histories are not kept here."}}"#)
            #expect(try await client.message(id).headers["counted"] == nil)
        }
    }

    /// Nobody else waits for a count that is not to be had, and who asked for it not for ever.
    @Test func aLockOnTheMarksHoldsUpNobody() async throws {
        try await TestNode.withDatabase { node, database in
            let ids = [try await database.notify("alice"), try await database.notify("bob")]
            try await database.run("begin; lock table belfry.inbox in access exclusive mode")
            let (alice, bob) = (try await node.connect(as: "alice"), try await node.connect(as: "bob"))
            try await Self.subscribe(alice)
            try await bob.subscribe("/user/queue/msg")
            try await bob.message(ids[1])
            try await alice.read()
            #expect(alice.frames.count == 1, "her tries are not over yet")
            let notice = try await alice.frame(.message)
            #expect(notice.headers["error"] == "unavailable" && notice.headers["unread"] == "true")
            #expect(String(buffer: notice.body).contains(#""code":"unavailable""#))
            #expect(try await alice.message(ids[0]).headers["counted"] == nil)
            try await database.run("rollback")
            let again = try await node.connect(as: "alice")
            try await Self.subscribe(again)
            #expect(try await Self.count(again) == Self.counts(1, 1, 0))
        }
    }

    /// A short lock is only waited for.
    @Test func aCountIsTriedAgain() async throws {
        try await TestNode.withDatabase { node, database in
            let id = try await database.notify("alice")
            try await database.run("begin; lock table belfry.inbox in access exclusive mode")
            let alice = try await node.connect(as: "alice")
            try await Self.subscribe(alice)
            try await Self.hasFailed(node)
            try await database.run("rollback")
            #expect(try await Self.count(alice) == Self.counts(1, 1, 0))
            try await alice.message(id)
        }
    }

    /// A count that hangs is given up when its time is over, and meanwhile holds up the others for no longer than that.
    @Test func aCountThatHangsIsGivenUp() async throws {
        try await TestNode.withDatabase { node, database in
            let ids = [try await database.notify("alice"), try await database.notify("bob")]
            try await database.run(
                """
                create or replace function belfry.unread(receiver text)
                    returns table (unviewed integer, unseen integer, changes bigint)
                language plpgsql stable as $$ begin perform pg_sleep(60); end $$
                """)
            let (alice, bob) = (try await node.connect(as: "alice"), try await node.connect(as: "bob"))
            try await Self.subscribe(alice)
            try await Self.isCounting(node, database)
            try await bob.subscribe("/user/queue/msg")
            try await bob.message(ids[1])
            #expect(try await alice.frame(.message).headers["error"] == "unavailable")
            try await alice.message(ids[0])
        }
    }

    @Test func manyAreCountedByTurnsWithOthersBacklogs() async throws {
        try await TestNode.withDatabase { node, database in
            try await database.run(
                """
                insert into belfry.message_log (receiver, type)
                select 'user' || n, 'JSON_MSG' from generate_series(1, 50) n
                """)
            var clients: [TestClient] = []
            for number in 1...50 { clients.append(try await node.connect(as: "user\(number)")) }
            for (place, client) in clients.enumerated() {
                try await client.subscribe("/user/queue/msg", headers: place % 5 == 0 ? "" : "unread:true\n")
            }
            for (place, client) in clients.enumerated() {
                if place % 5 > 0 { #expect(try await Self.count(client) == Self.counts(1, 1, 0)) }
                #expect(try await client.frame(.message).headers["unread"] == nil)
            }
        }
    }

    @Test func whoAskedWhilePostgreSQLWasAwayIsToldWhenItIsBack() async throws {
        let server = try await TestServer.startOwn()
        let url = try await TestServer.makeDatabase(on: server).url
        let database = try await Application.connect(url)
        try await TestNode.with(databaseURL: url) { node in
            let id = try await database.notify("alice")
            server.kill()
            _ = try await node.eventually("the pool knows") { node.context.store.isAvailable ? nil : true }
            let client = try await node.connect(as: "alice")
            try await Self.subscribe(client)
            try await Self.hasFailed(node)
            try await WorkerFaultTests.restart(server)
            #expect(try await Self.count(client) == Self.counts(1, 1, 0))
            #expect(try await client.message(id).headers["counted"] == "true")
        }
        await server.stop()
    }
}
