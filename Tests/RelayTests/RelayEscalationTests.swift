import BelfryModel
import DatabaseSupport
import Foundation
import HTTPPeer
import Postgres
import TestBasics
import Testing
import Webhooks

@testable import Relay

/// Running relays tell the application what is not delivered.
@Suite(.timeLimit(.minutes(3))) struct RelayEscalationTests {
    @Test func `what is not delivered is told, once, and the message says so`() async throws {
        let scene = try await EscalationScene()
        let relay = try await scene.relay()
        try await scene.writer.run(
            """
            insert into belfry.message_log (receiver, type, data, headers)
            values ('älice', 'JSON_MSG', '{"order": 12345678901234567890}', '{"traceparent": "t"}');
            insert into belfry.message_log (receiver, type, data) values ('bob', 'STRING_MSG', '"no rule"');
            insert into belfry.message_log (topic, type, data) values ('news', 'JSON_MSG', '"a broadcast"')
            """)
        try await scene.wait(for: "1 sent")
        try await eventually("it is marked") { try await scene.marked() == "1" }
        // Several looks later it is still once.
        try await Task.sleep(for: .seconds(2))
        #expect(scene.told == [1])
        let request = try #require(scene.peer.requests.first)
        #expect(request.path == "/h" && request.method == "POST")
        let timestamp = try #require(request.field("webhook-timestamp").flatMap { Int($0) })
        let secrets = try SigningSecrets(parsing: EscalationScene.secret)
        let id = "belfry_\(try await scene.database.installation().id)_1"
        #expect(request.field("webhook-id") == id)
        #expect(
            request.field("webhook-signature")
                == secrets.signature(id: id, timestamp: timestamp, body: Data(request.body.utf8)))
        let body = try await scene.writer.rows(
            """
            select b ->> 'type', b -> 'data' ->> 'id', b -> 'data' ->> 'receiver', b #>> '{data,data,order}',
                b #>> '{data,headers,traceparent}', b #>> '{data,reason}', b #>> '{data,openSessions}',
                b #>> '{data,attempt}', b #>> '{data,type}',
                (b #>> '{data,undeliveredSince}')::bigint - (date_part('epoch', m.created_at) * 1000)::bigint
            from (select '\(request.body.replacing("'", with: "''"))'::jsonb as b) b, belfry.message_log m
            where m.id = 1
            """)
        #expect(
            body == [
                [
                    "belfry.undelivered", "1", "älice", "12345678901234567890", "t",
                    "No session of its receiver is open.", "0", "1", "JSON_MSG", "0",
                ]
            ])
        await scene.end(relay)
    }

    @Test func `what came to an end before is withdrawn, and never sent`() async throws {
        let scene = try await EscalationScene()
        try await scene.insert(count: 4)
        try await scene.writer.run("select pg_sleep(1.1)")
        let term = try await scene.writer.value("select term from belfry.relay_cursor")
        _ = try await scene.writer.rows("select belfry.find_overdue('JSON_MSG', \(term), 100, 100)")
        try await scene.writer.run(
            """
            update belfry.message_log set status = 'delivered' where id = 1;
            delete from belfry.outbox where message_id = 1;
            select belfry.cancel(2);
            update belfry.message_log set expires_at = now() where id = 3
            """)
        let relay = try await scene.relay()
        try await scene.wait(for: "1 withdrawn, 2 withdrawn, 3 withdrawn, 4 sent")
        #expect(scene.told == [4])
        let reasons = try await scene.writer.rows("select reason from belfry.escalation order by message_id limit 3")
        #expect(
            reasons.map { String($0[0].prefix(12)) } == ["It was deliv", "It was cance", "It expired b"])
        #expect(relay.events.contains(.escalationsWithdrawn(count: 3)))
        await scene.end(relay)
    }

    @Test func `what is delivered in time is never written`() async throws {
        let scene = try await EscalationScene(after: "2 seconds")
        let relay = try await scene.relay()
        try await scene.insert(count: 3)
        try await scene.writer.run(
            """
            update belfry.message_log set status = 'delivered' where id < 3;
            delete from belfry.outbox where message_id < 3
            """)
        try await scene.wait(for: "3 sent")
        await scene.end(relay)
    }

    @Test func `a message that is held back counts from its time`() async throws {
        let scene = try await EscalationScene()
        let relay = try await scene.relay()
        try await scene.writer.run(
            """
            insert into belfry.message_log (receiver, type, not_before)
            values ('alice', 'JSON_MSG', clock_timestamp() + interval '3 seconds')
            """)
        try await scene.insert()
        try await scene.wait(for: "1 waiting, 2 sent")
        try await scene.wait(for: "1 sent, 2 sent")
        let late = try await scene.writer.value(
            """
            select e.sent_at >= m.not_before + interval '1 second'
            from belfry.escalation e join belfry.message_log m on m.id = e.message_id where m.id = 1
            """)
        #expect(late == "t")
        await scene.end(relay)
    }

    @Test func `a transaction that commits late is escalated as well`() async throws {
        let scene = try await EscalationScene()
        let late = try await scene.database.connect()
        try await late.run("begin; insert into belfry.message_log (receiver, type) values ('late', 'JSON_MSG')")
        try await scene.insert()
        let relay = try await scene.relay()
        try await scene.wait(for: "2 sent")
        try await late.run("commit")
        try await scene.wait(for: "1 sent, 2 sent")
        await late.close()
        await scene.end(relay)
    }

    @Test func `a parked message is escalated, and the reason is told`() async throws {
        let scene = try await EscalationScene()
        try await scene.insert()
        try await scene.writer.run(
            """
            delete from belfry.outbox; update belfry.message_log set status = 'parked';
            insert into belfry.parked (message_id, reason) values (1, 'refused by the client (NACK) 5 times')
            """)
        let relay = try await scene.relay()
        try await scene.wait(for: "1 sent")
        #expect(
            scene.peer.requests.first?.body.contains(
                "It could not be delivered and was parked: refused by the client (NACK) 5 times.") == true)
        await scene.end(relay)
    }

    @Test func `what was overdue when the rule was made is left alone, unless that is asked for`() async throws {
        let scene = try await EscalationScene(after: nil)
        try await scene.insert(count: 3)
        try await scene.writer.run("select pg_sleep(1.2)")
        try await scene.rule()
        try await scene.insert()
        let relay = try await scene.relay()
        try await scene.wait(for: "4 sent")
        try await scene.writer.run(
            "select belfry.escalate('JSON_MSG', '1 second', '\(scene.peer.url("/h"))', include_overdue => true)")
        try await scene.wait(for: "1 sent, 2 sent, 3 sent, 4 sent")
        #expect(scene.told.sorted() == [1, 2, 3, 4])
        await scene.end(relay)
    }

    @Test func `a replay gives a message its time anew, but none is told twice`() async throws {
        let scene = try await EscalationScene()
        let relay = try await scene.relay()
        try await scene.insert(count: 2)
        try await scene.wait(for: "1 sent, 2 sent")
        try await scene.writer.run(
            """
            insert into belfry.message_log (receiver, type, expires_at, created_at)
            values ('alice', 'JSON_MSG', now() + interval '1 hour', now() - interval '1 hour');
            delete from belfry.outbox where message_id = 3;
            update belfry.message_log set status = 'expired' where id = 3;
            select belfry.replay(ids => '{1, 3}', include_delivered => true)
            """)
        try await scene.wait(for: "1 sent, 2 sent, 3 waiting")
        try await scene.wait(for: "1 sent, 2 sent, 3 sent")
        #expect(scene.told.sorted() == [1, 2, 3])
        let since = try await scene.writer.value(
            "select counts_from > now() - interval '30 minutes' from belfry.escalation where message_id = 3")
        #expect(since == "t")
        await scene.end(relay)
    }

    @Test func `a rule that is removed withdraws what waits, and one that is changed holds for it`() async throws {
        let scene = try await EscalationScene { request in
            .answer(status: request.path == "/new" ? 200 : 503, body: "")
        }
        let relay = try await scene.relay { $0.retryPause = .seconds(60) }
        try await scene.insert()
        try await eventually("it was refused") { relay.events.contains(.escalationFailed(1, isGivenUp: false)) }
        try await scene.rule(path: "/new")
        try await scene.wait(for: "1 sent")
        try await scene.rule(path: "/h")
        try await scene.insert()
        try await eventually("the second was refused") { relay.events.contains(.escalationFailed(2, isGivenUp: false)) }
        try await scene.writer.run("select belfry.stop_escalating('JSON_MSG')")
        #expect(try await scene.states() == "1 sent, 2 withdrawn")
        let count = scene.told.count
        try await scene.insert()
        try await Task.sleep(for: .seconds(3))
        #expect(scene.told.count == count)
        #expect(try await scene.states() == "1 sent, 2 withdrawn")
        await scene.end(relay)
    }

    @Test func `without a secret, or to where it may not, nothing is sent, and the rule says why`() async throws {
        let scene = try await EscalationScene()
        try await scene.insert()
        func problem() async throws -> String {
            try await scene.writer.value("select coalesce(problem, 'none') from belfry.escalation_rule")
        }
        let mute = try await scene.relay { $0.secret = nil }
        try await eventually("it is noted") { try await problem().contains("no secret") }
        await mute.stop()
        let bound = try await scene.relay { $0.allowedURLs = ["https://app.example/"] }
        try await eventually("it is noted") { try await problem().contains("escalation.allowedUrls") }
        try await Task.sleep(for: .seconds(2))
        #expect(scene.peer.requests.isEmpty)
        #expect(try await scene.states() == "")
        await bound.stop()
        let relay = try await scene.relay { $0.allowedURLs = [scene.peer.url("")] }
        try await scene.wait(for: "1 sent")
        #expect(try await problem() == "none")
        await scene.end(relay)
    }

    @Test func `what goes with retention goes from here too`() async throws {
        let scene = try await EscalationScene()
        let relay = try await scene.relay()
        try await scene.insert(count: 2)
        try await scene.wait(for: "1 sent, 2 sent")
        try await eventually("both are marked") { try await scene.marked() == "1 2" }
        try await scene.writer.run(
            """
            delete from belfry.outbox where message_id = 1;
            update belfry.message_log set status = 'delivered', delivered_at = now() - interval '2 hours' where id = 1
            """)
        _ = try await scene.writer.rows("select * from belfry.delete_old(0, 100, '{\"\"}', '{\"\"}', '{3600}')")
        #expect(try await scene.states() == "2 sent")
        await scene.end(relay)
    }
}
