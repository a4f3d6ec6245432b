import BelfryModel
import DatabaseSupport
import Foundation
import Postgres
import Testing

@testable import Outbox

/// What the console counts and does.
@Suite struct ConsoleStoreTests {
    private static func object(_ json: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    }

    private static func park(_ ids: ClosedRange<Int>, _ reason: String, _ connection: PostgresConnection) async throws {
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'alice', 'JSON_MSG', to_jsonb(i) from generate_series(\(ids.lowerBound), \(ids.upperBound)) i;
            delete from belfry.outbox where message_id between \(ids.lowerBound) and \(ids.upperBound);
            update belfry.message_log set status = 'parked'
            where id between \(ids.lowerBound) and \(ids.upperBound);
            insert into belfry.parked (message_id, reason, attempts)
            select i, '\(reason)', 5 from generate_series(\(ids.lowerBound), \(ids.upperBound)) i
            """)
    }

    @Test func aGroupOfParkedMessagesIsDoneInBatchesPastWhatIsHeld() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let store = ConsoleStore(executor: try await database.connect(role: "test_service"))
        try await Self.park(1...700, "Refused by NACK.", connection)
        try await Self.park(701...710, "Too large.", connection)
        let groups = try Self.object(try await store.parked())
        let listed = groups["groups"] as? [[String: Any]] ?? []
        #expect(listed.map { $0["reason"] as? String } == ["Refused by NACK.", "Too large."])
        #expect(listed.map { $0["count"] as? Int } == [700, 10] && groups["total"] as? Int == 710)
        #expect((listed[0]["sample"] as? [String])?.first == "1")

        let group = ConsoleStore.Parked.group(reason: "Refused by NACK.", type: "JSON_MSG")
        let count = try await store.count(group)
        #expect(count.matched == 700 && count.isComplete && count.sample.count == 10)
        // An application holds one of them.
        let holder = try await database.connect()
        try await holder.run("begin; select from belfry.message_log where id = 3 for update")
        let first = try await store.act(on: group, cancels: false, actor: "ops")
        #expect(first.done == 500 && first.skipped == 0 && first.left == 200)
        let second = try await store.act(on: group, cancels: false, actor: "ops")
        #expect(second.done == 199 && second.skipped == 0 && second.left == 1)
        let third = try await store.act(on: group, cancels: false, actor: "ops")
        #expect(third.done == 0 && third.left == 1)
        try await holder.run("rollback")
        #expect(try await store.act(on: group, cancels: false, actor: "ops").left == 0)
        #expect(
            try await connection.value("select details #>> '{parked,reason}' from belfry.audit order by id limit 1")
                == "Refused by NACK.")
        #expect(try await connection.value("select count(*) from belfry.outbox") == "700")

        let rest = try await store.act(on: .all, cancels: true, actor: "ops")
        #expect(rest.done == 10 && rest.left == 0)
        #expect(
            try await connection.value("select count(*) from belfry.message_log where status = 'cancelled'") == "10")
        #expect(
            try await connection.value(
                "select string_agg(distinct act || ' ' || actor, ',' order by act || ' ' || actor) from belfry.audit")
                == "cancel ops,replay ops")
        #expect(try await connection.value("select count(*) from belfry.parked") == "0")
    }

    @Test func typesTellWhatWasSentRefusedAndNotDelivered() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let service = try await database.connect(role: "test_service")
        let store = ConsoleStore(executor: service)
        _ = try await store.register(
            type: "ORDER", body: Array(#"{"schema":{"type":"object","required":["id"]}}"#.utf8),
            description: "An order", actor: "ops")
        try await connection.run(
            """
            select belfry.notify('alice', 'ORDER', '{"id":1}');
            select belfry.notify('alice', 'ORDER', '{"id":2}');
            delete from belfry.outbox where message_id = 1
            """)
        var report = ProcessReport(
            id: "00000000-0000-0000-0000-000000000001", kind: "node", host: "h", processID: 1, version: "1",
            uptimeSeconds: 1)
        report.seconds = 10
        _ = try await ProcessStore(executor: service).report(
            report,
            refusals: [
                TypeRefusals(type: "NOPE", count: 2, via: "stomp", who: "bob", reason: "not registered"),
                TypeRefusals(type: "ORDER", count: 3, via: "http", who: "shop", reason: "data.id is required"),
            ])
        let types = try Self.object(try await store.types())
        let order = (types["types"] as? [[String: Any]])?.first { $0["name"] as? String == "ORDER" }
        #expect(order?["sentLastHour"] as? Int == 2 && order?["undelivered"] as? Int == 1)
        #expect(order?["refused"] as? Int == 3 && order?["description"] as? String == "An order")
        let last = (order?["lastRefusals"] as? [[String: Any]])?.first
        #expect(last?["who"] as? String == "shop" && last?["reason"] as? String == "data.id is required")
        let unknown = (types["unknown"] as? [[String: Any]])?.first
        #expect(unknown?["name"] as? String == "NOPE" && unknown?["refused"] as? Int == 2)

        let sample = try await store.check(type: "ORDER", body: Array(#"{"data":{"x":1}}"#.utf8))
        #expect(try Self.object(try #require(sample))["dataProblem"] as? String == "data.id is required, but missing")
        #expect(try await store.check(type: "NOPE", body: Array("{}".utf8)) == nil)
        await #expect(throws: PostgresError.self) {
            try await store.register(
                type: "NOTICE", body: Array(#"{"schema":true}"#.utf8), description: nil, actor: "ops")
        }
    }

    @Test func aLockedTypeIsNotWaitedFor() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await database.connect()
        let store = ConsoleStore(executor: try await database.connect(role: "test_service"))
        try await application.run("begin; select belfry.register_type('ORDER', 'true')")
        let error = await #expect(throws: PostgresError.self) {
            try await store.register(
                type: "ORDER", body: Array(#"{"schema":{}}"#.utf8), description: nil, actor: "ops")
        }
        #expect(error?.sqlState == "55P03")
        try await application.run("commit")
    }

    @Test func processesComeAndGoAndTheirPulsesAgeOut() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let store = ProcessStore(executor: try await database.connect(role: "test_service"))
        var report = ProcessReport(
            id: "00000000-0000-0000-0000-000000000001", kind: "serve", host: "h", processID: 1, version: "1",
            uptimeSeconds: 60)
        (report.seconds, report.delivered, report.pending, report.isLeader) = (10, 5, 7, true)
        report.published = [1, 0, 2]
        (report.clockAhead, report.openFiles, report.certificateEnd) = (-1.5, 12, 1_800_000_000)
        report.settings = #"[{"name":"listen","value":"x","origin":"flag"}]"#
        let time = try #require(try await store.report(report, refusals: []))
        #expect(abs(time - Date().timeIntervalSince1970) < 60)
        try await connection.run(
            """
            insert into belfry.process (id, kind, host, pid, version, started_at, seen_at) values
                ('00000000-0000-0000-0000-000000000002', 'node', 'h', 2, '1', now(), now() - interval '31 seconds'),
                ('00000000-0000-0000-0000-000000000003', 'node', 'h', 3, '1', now(), now() - interval '61 minutes');
            insert into belfry.pulse (process_id, at, seconds, last_id, delivered, published_buckets, arrived_buckets,
                acknowledged_buckets)
            select ('00000000-0000-0000-0000-00000000000' || i)::uuid, now() - interval '66 minutes', 10, 0, 0, '{}',
                '{}', '{}' from generate_series(1, 2) i
            """)
        _ = try await store.report(report, refusals: [])
        let listed = try await store.processes(withSettings: true).map(Self.object)
        #expect(Set(listed.compactMap { $0["pid"] as? Int }) == [1, 2])
        let own = listed.first { $0["pid"] as? Int == 1 }
        #expect(own?["clockAheadSeconds"] as? Double == -1.5 && own?["openFiles"] as? Int == 12)
        #expect(own?["filesMax"] is NSNull && own?["certificateEndsAt"] as? Int == 1_800_000_000_000)
        #expect(own?["isAlive"] as? Bool == true && own?["isLeader"] as? Bool == true)
        #expect((own?["settings"] as? [[String: Any]])?.first?["name"] as? String == "listen")
        #expect(listed.first { $0["pid"] as? Int == 2 }?["isAlive"] as? Bool == false)
        #expect(try Self.object(try await store.processes(withSettings: false)[0])["settings"] == nil)
        let pulses = try await store.pulses(minutes: 60)
        #expect(pulses.count == 2 && pulses[0].delivered == 5 && pulses[0].published == [1, 0, 2])
        #expect(pulses[0].pending == 7 && pulses[0].sessions == nil)
        #expect(try await connection.value("select count(*) from belfry.pulse") == "3")
        try await store.leave(report.id)
        #expect(try await store.processes(withSettings: false).count == 1)
    }
}
