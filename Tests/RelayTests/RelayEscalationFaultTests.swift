import BelfryModel
import DatabaseSupport
import Foundation
import HTTPPeer
import Postgres
import Synchronization
import TestBasics
import Testing

@testable import Relay

/// Webhooks when the application, the relay, PostgreSQL or another transaction does what it should not.
@Suite(.timeLimit(.minutes(3))) struct RelayEscalationFaultTests {
    @Test func `a refused webhook comes again under the same id, until it is accepted`() async throws {
        let tries = Atomic<Int>(0)
        let scene = try await EscalationScene { _ in
            .answer(status: tries.add(1, ordering: .relaxed).newValue < 4 ? 500 : 200, body: "")
        }
        let relay = try await scene.relay()
        try await scene.insert()
        try await scene.wait(for: "1 sent")
        #expect(scene.peer.requests.count == 4)
        #expect(Set(scene.peer.requests.compactMap { $0.field("webhook-id") }).count == 1)
        #expect(scene.peer.requests.map { $0.body.contains("\"attempt\" : 4") } == [false, false, false, true])
        let row = try await scene.writer.rows(
            """
            select attempts, last_status, last_error, (select failing_since from belfry.escalation_rule)
            from belfry.escalation
            """)
        #expect(row == [["4", "200", "The application answered 500.", "-"]])
        await scene.end(relay)
    }

    @Test func `after the last try it is given up, and an operator has it tried again`() async throws {
        let isUp = Atomic<Bool>(false)
        let scene = try await EscalationScene { _ in
            .answer(status: isUp.load(ordering: .relaxed) ? 200 : 500, body: "")
        }
        let relay = try await scene.relay { $0.attemptsMax = 3 }
        try await scene.insert()
        try await scene.wait(for: "1 failed")
        #expect(scene.peer.requests.count == 3)
        let reason = try await scene.writer.value("select reason from belfry.escalation")
        #expect(reason == "The application answered 500. That was the last of 3 tries.")
        #expect(try await scene.marked() == "")
        isUp.store(true, ordering: .relaxed)
        #expect(try await scene.writer.value("select belfry.retry_escalations('{1}')") == "1")
        try await scene.wait(for: "1 sent")
        #expect(Set(scene.peer.requests.compactMap { $0.field("webhook-id") }).count == 1)
        await scene.end(relay)
    }

    @Test func `400 gives one up at once, and 410 turns the rule off`() async throws {
        let status = Atomic<Int>(400)
        let scene = try await EscalationScene { _ in .answer(status: status.load(ordering: .relaxed), body: "") }
        let relay = try await scene.relay()
        try await scene.insert()
        try await scene.wait(for: "1 failed")
        #expect(scene.told == [1])
        status.store(410, ordering: .relaxed)
        try await scene.insert()
        try await scene.wait(for: "1 failed, 2 failed")
        let rule = try await scene.writer.rows(
            "select is_enabled, left(problem, 31), failed from belfry.escalation_rule")
        #expect(rule == [["f", "The application answered 410 Go", "2"]])
        try await scene.insert()
        try await Task.sleep(for: .seconds(3))
        #expect(scene.told == [1, 2])
        // What fell due while it was off stays left alone.
        status.store(200, ordering: .relaxed)
        try await scene.rule()
        try await scene.insert()
        try await scene.wait(for: "1 failed, 2 failed, 4 sent")
        await scene.end(relay)
    }

    @Test func `an application that asks for a rest gets it, for all its messages`() async throws {
        let isFirst = Atomic<Bool>(true)
        let scene = try await EscalationScene { _ in
            isFirst.exchange(false, ordering: .relaxed)
                ? .answer(status: 429, body: "", fields: [("Retry-After", "3")]) : .answer(status: 200, body: "")
        }
        let relay = try await scene.relay { $0.connectionsMax = 1 }
        try await scene.insert(count: 3)
        try await eventually("it asked for a rest") {
            relay.events.contains { if case .escalationFailed = $0 { true } else { false } }
        }
        let start = ContinuousClock.now
        #expect(scene.peer.requests.count == 1)
        try await scene.wait(for: "1 sent, 2 sent, 3 sent")
        #expect(start.duration(to: .now) > .milliseconds(2_500))
        #expect(scene.peer.requests.count == 4)
        await scene.end(relay)
    }

    @Test func `a redirect is not followed`() async throws {
        let elsewhere = try await HTTPPeer.start { _ in .answer(status: 200, body: "") }
        let url = elsewhere.url("/")
        let scene = try await EscalationScene { _ in .answer(status: 302, body: "", fields: [("Location", url)]) }
        let relay = try await scene.relay { $0.attemptsMax = 2 }
        try await scene.insert()
        try await scene.wait(for: "1 failed")
        #expect(elsewhere.requests.isEmpty)
        await elsewhere.stop()
        await scene.end(relay)
    }

    /// The first hangs for as long as it is given, and gets all the connections that there are for it.
    @Test func `an application that hangs holds up neither another one nor messages`() async throws {
        let scene = try await EscalationScene { _ in .silence }
        let other = try await HTTPPeer.start { _ in .answer(status: 200, body: "") }
        try await scene.writer.run("select belfry.escalate('STRING_MSG', '1 second', '\(other.url("/other"))')")
        let bus = RecordingBus()
        var policy = EscalationPolicy()
        policy.secret = EscalationScene.secret
        policy.timeout = .seconds(60)
        policy.connectionsMax = 2
        let relay = try await RunningRelay(scene.database, bus: bus, escalation: policy)
        try await scene.insert(count: 10)
        try await eventually("all that may hang does") { scene.peer.requests.count == 2 }
        try await scene.insert(count: 20, type: "STRING_MSG")
        try await eventually("the other application is told of all") { other.requests.count == 20 }
        let start = ContinuousClock.now
        try await scene.insert("bob")
        try await eventually("it is published") { Set(bus.ids).count == 31 }
        #expect(start.duration(to: .now) < .seconds(1))
        #expect(scene.peer.requests.count == 2)
        #expect(
            try await scene.writer.value(
                "select count(*) from belfry.escalation where type = 'JSON_MSG' and claimed_at is not null") == "2",
            "and no more were taken on")
        let stopping = ContinuousClock.now
        await relay.stop()
        #expect(stopping.duration(to: .now) < .seconds(5), "a relay that stops waits for none of them")
        await other.stop()
        await scene.end()
    }

    @Test func `an answer without an end is an answer`() async throws {
        let scene = try await EscalationScene { _ in .flood }
        let relay = try await scene.relay()
        try await scene.insert(count: 2)
        try await scene.wait(for: "1 sent, 2 sent")
        #expect(scene.told.count == 2)
        await scene.end(relay)
    }

    @Test func `a relay that is killed between sending and noting sends it again, under the same id`() async throws {
        let database = try await TestServer.makeDatabase()
        let admin = try await database.connect()
        let isFirst = Atomic<Bool>(true)
        let victim = Mutex("")
        let scene = try await EscalationScene()
        // As a killed process's connections end: what the application answers is noted by nobody.
        scene.peer.behave { _ in
            guard isFirst.exchange(false, ordering: .relaxed) else { return .answer(status: 200, body: "") }
            let name = victim.withLock { $0 }
            let done = DispatchSemaphore(value: 0)
            Task {
                _ = try? await scene.writer.rows(
                    "update belfry.relay_cursor set term = term + 1, relay = 'another', backend_pid = null")
                _ = try? await admin.rows(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '\(name)'")
                done.signal()
            }
            done.wait()
            return .hangUp
        }
        let first = try await scene.relay { $0.timeout = .seconds(1) }
        victim.withLock { $0 = first.name }
        let second = try await scene.relay { $0.timeout = .seconds(1) }
        try await scene.insert()
        try await scene.wait(for: "1 sent", within: .seconds(40))
        #expect(scene.told == [1, 1])
        #expect(Set(scene.peer.requests.compactMap { $0.field("webhook-id") }).count == 1)
        await admin.close()
        await scene.end(first, second)
    }

    @Test func `of many messages each is told once, whichever of two relays leads`() async throws {
        let scene = try await EscalationScene()
        let relays = [try await scene.relay(), try await scene.relay()]
        try await scene.insert(count: 300)
        for _ in 1...3 {
            let leader = try await eventually("one leads") { relays.first { $0.isLeader } }
            let before = scene.told.count
            _ = await isEventually(within: .seconds(2)) { scene.told.count > before + 30 }
            _ = try await scene.writer.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '\(leader.name)'")
            try await scene.insert(count: 100)
        }
        try await eventually("all are told of", within: .seconds(60)) {
            try await scene.writer.value("select count(*) from belfry.escalation where state = 'sent'") == "600"
        }
        #expect(Set(scene.told) == Set(1...600))
        // A connection that was cut under a commit is all that may repeat one.
        #expect(scene.told.count <= 600 + 3 * EscalationPolicy().connectionsMax)
        try await eventually("all are marked") {
            try await scene.writer.value("select count(*) from belfry.message_log where escalated_at is null") == "0"
        }
        await scene.end(relays[0], relays[1])
    }

    @Test func `what an application holds is told all the same, and marked when it lets go`() async throws {
        let scene = try await EscalationScene()
        try await scene.insert(count: 2)
        let holder = try await scene.database.connect()
        try await holder.run("begin; select from belfry.message_log where id = 1 for update")
        let relay = try await scene.relay()
        try await scene.wait(for: "1 sent, 2 sent")
        try await eventually("the other is marked") { try await scene.marked() == "2" }
        try await Task.sleep(for: .milliseconds(1_500))
        // It waits for nothing of ours, and is not aborted.
        try await holder.run("update belfry.message_log set viewed_at = now() where id in (1, 2); commit")
        try await eventually("both are marked", within: .seconds(5)) { try await scene.marked() == "1 2" }
        #expect(scene.told.sorted() == [1, 2])
        await holder.close()
        await scene.end(relay)
    }

    @Test func `a lock of the whole table is not waited for`() async throws {
        let scene = try await EscalationScene()
        try await scene.insert()
        let holder = try await scene.database.connect()
        try await holder.run("begin; lock table belfry.message_log in share mode")
        let relay = try await scene.relay()
        try await scene.wait(for: "1 sent")
        try await Task.sleep(for: .milliseconds(1_500))
        try await holder.run("update belfry.message_log set viewed_at = now(); commit")
        try await eventually("it is marked") { try await scene.marked() == "1" }
        #expect(scene.told == [1])
        await holder.close()
        await scene.end(relay)
    }

    @Test func `a message that is deleted while its webhook is under way leaves nothing behind`() async throws {
        let scene = try await EscalationScene { _ in .silence }
        let relay = try await scene.relay { $0.timeout = .seconds(1) }
        try await scene.insert()
        try await eventually("it is under way") { scene.told == [1] }
        try await scene.writer.run("delete from belfry.outbox; delete from belfry.message_log")
        try await scene.wait(for: "")
        try await Task.sleep(for: .seconds(2))
        #expect(scene.told == [1])
        await scene.end(relay)
    }

    @Test func `a restart of PostgreSQL is survived`() async throws {
        let server = try await TestServer.startOwn()
        let database = TestDatabase(url: server.url)
        let admin = try await database.connect()
        try await admin.run("create role test_service login superuser")
        await admin.close()
        let made = try await TestServer.makeDatabase(on: server)
        let peer = try await HTTPPeer.start { _ in .answer(status: 200, body: "") }
        let writer = try await made.connect()
        try await writer.run("select belfry.escalate('JSON_MSG', '1 second', '\(peer.url("/"))')")
        // It dies while the application reads the second one.
        let (isFirst, isDead) = (Flag(), Flag())
        peer.behave { request in
            if request.field("webhook-id")?.hasSuffix("_1") != true, isFirst.set() {
                server.kill()
                _ = isDead.set()
            }
            return .answer(status: 200, body: "")
        }
        var policy = EscalationPolicy()
        policy.secret = EscalationScene.secret
        let relay = try await RunningRelay(made, bus: RecordingBus(), escalation: policy)
        try await writer.run("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
        try await eventually("the first is told of") { relay.events.contains(.escalated(1)) }
        try await writer.run("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
        try await eventually("PostgreSQL is dead") { isDead.isSet }
        try await server.restart()
        let after = try await made.connect()
        try await eventually("what was accepted is noted", within: .seconds(40)) {
            try await after.value("select count(*) from belfry.escalation where state = 'sent'") == "2"
        }
        #expect(peer.requests.count == 2, "and not told again")
        try await after.run("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
        try await eventually("the third is told of") {
            try await after.value("select count(*) from belfry.escalation where state = 'sent'") == "3"
        }
        await relay.stop()
        await after.close()
        await peer.stop()
        await server.stop()
    }

    @Test func `one type whose webhooks fail leaves the others of its server their turns`() async throws {
        let scene = try await EscalationScene(after: nil) { request in
            request.path.hasSuffix("/fails") ? .answer(status: 500, body: "") : .answer(status: 204, body: "")
        }
        try await scene.rule(type: "JSON_MSG", path: "/fails")
        try await scene.rule(type: "STRING_MSG", path: "/works")
        try await scene.insert(count: 200)
        let relay = try await scene.relay()
        try await eventually("some have failed") { scene.told.count >= 3 }
        try await scene.insert("bob", type: "STRING_MSG")
        try await eventually("the other one was told", within: .seconds(30)) {
            try await scene.states().contains("201 sent")
        }
        await scene.end(relay)
    }
}

private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    /// Whether it was not set before.
    func set() -> Bool { !value.exchange(true, ordering: .acquiringAndReleasing) }
    var isSet: Bool { value.load(ordering: .acquiring) }
}
