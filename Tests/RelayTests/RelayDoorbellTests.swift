import BelfryModel
import DatabaseSupport
import Outbox
import Postgres
import TestBasics
import Testing

@testable import Relay

/// Going to sleep and waking up. The slow poll is an hour away, so what arrives was rung for.
@Suite struct RelayDoorbellTests {
    private static var limits: Limits {
        var limits = Limits()
        limits.safetyPollInterval = .seconds(3_600)
        return limits
    }

    @Test(arguments: ["read committed", "repeatable read", "serializable"])
    func `a writer that read awake and commits after the arming is delivered`(isolation: String) async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus, limits: Self.limits)
        try await relay.waitAsleep()
        let writer = try await database.connect()
        let watcher = try await database.connect()
        var expected = 0
        for _ in 0..<4 {
            // Awake as a busy relay says it is; the relay itself notices within a second that it was not meant.
            try await writer.run("begin isolation level \(isolation)")
            _ = try await writer.value("select count(*) from belfry.notification_type")
            try await watcher.run("select setval('belfry.doorbell', 2, true)")
            try await writer.run(SQL.insert())
            let state = try await watcher.value("select last_value from belfry.doorbell")
            let sleeps = relay.sleeps
            if state == "2" {
                // It arms again, takes its id, and must not sleep for good before this writer has ended.
                try await eventually("the doorbell is armed again") {
                    try await watcher.value("select last_value from belfry.doorbell") == "1"
                }
            }
            #expect(relay.sleeps == sleeps, "it sleeps though a writer that read awake is running")
            try await writer.run("commit")
            expected += 1
            try await eventually("it is delivered", within: .seconds(5)) { bus.ids.count == expected }
            try await relay.waitAsleep()
        }
        #expect(!relay.events.contains(.woke(.safetyPoll)))
        await relay.stop()
    }

    @Test func `many writers at once never wait for the slow poll`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus, limits: Self.limits)
        try await relay.waitAsleep()
        let isolations = ["read committed", "repeatable read", "serializable"]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<6 {
                group.addTask {
                    let writer = try await database.connect()
                    for round in 0..<60 {
                        try await writer.run("begin isolation level \(isolations[number % 3]); \(SQL.insert())")
                        // Some wait before the commit for about as long as the relay needs to fall asleep.
                        if round.isMultiple(of: 3) { try await Task.sleep(for: .milliseconds(Int.random(in: 0...15))) }
                        try await writer.run("commit")
                        if round.isMultiple(of: 5) { try await Task.sleep(for: .milliseconds(Int.random(in: 0...30))) }
                    }
                    await writer.close()
                }
            }
            try await group.waitForAll()
        }
        try await eventually("all are delivered", within: .seconds(5)) { bus.ids.count >= 360 }
        #expect(bus.ids.sorted() == Array(1...360))
        #expect(!relay.events.contains(.woke(.safetyPoll)))
        await relay.stop()
    }

    @Test func `a ring in a rolled back transaction or savepoint wakes nobody for nothing twice`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus, limits: Self.limits)
        try await relay.waitAsleep()
        let writer = try await database.connect()
        try await writer.run("begin; \(SQL.insert()); rollback")
        try await writer.run("begin; savepoint s; \(SQL.insert()); rollback to s; commit")
        try await writer.run("begin; savepoint s; \(SQL.insert("bob")); release s; commit")
        try await eventually("the committed one") { !bus.ids.isEmpty }
        #expect(bus.deliveries.map(\.address) == [.user("bob")])
        await relay.stop()
    }

    @Test func `a doorbell that somebody else set to awake is armed again`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus, limits: Self.limits)
        try await relay.waitAsleep()
        let writer = try await database.connect()
        try await writer.run("select setval('belfry.doorbell', 2, true)")
        try await writer.run(SQL.insert())
        try await eventually("it is found without a ring", within: .seconds(5)) { bus.ids == [1] }
        await relay.stop()
    }
}
