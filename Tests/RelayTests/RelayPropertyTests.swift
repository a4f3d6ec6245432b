import BelfryModel
import DatabaseSupport
import Outbox
import Postgres
import Synchronization
import TestBasics
import Testing

@testable import Relay

/// Random writers against relays that come and go: what was committed is published, and nothing else.
@Suite struct RelayPropertyTests {
    @Test(arguments: [UInt64(1), 2, 3], [false, true])
    func `everything committed is published in order, and nothing else`(seed: UInt64, withFaults: Bool) async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let ledger = Ledger()
        let sleeps = try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask { try await runRelays(database, bus, ledger, seed: seed, withFaults: withFaults) }
            await withThrowingTaskGroup(of: Void.self) { writers in
                for number in 0..<5 {
                    writers.addTask {
                        try await write(database, ledger, receiver: "user\(number)", seed: seed &* 31 &+ UInt64(number))
                    }
                }
                do { try await writers.waitForAll() } catch { Issue.record(error) }
            }
            ledger.finish()
            return try await group.reduce(0, +)
        }

        let committed = ledger.committed
        let published = bus.deliveries
        #expect(Set(published.map(\.id)) == Set(committed.values.joined()))
        if !withFaults {
            #expect(published.count == Set(published.map(\.id)).count, "without a fault nothing comes twice")
            #expect(sleeps > 0)
        }
        #expect(Set(published).count == Set(published.map(\.id)).count, "a repeat has the same stamp")
        for (receiver, ids) in committed {
            var seen: Set<Int64> = []
            let order = published.filter { $0.address == .user(receiver) && seen.insert($0.id).inserted }.map(\.id)
            #expect(order == ids, "\(receiver) gets them in the order of the commits")
        }
    }

    /// Ids by receiver, in the order of the commits.
    private final class Ledger: Sendable {
        private let state = Mutex<[String: [Int64]]>([:])
        private let finished = Atomic<Bool>(false)
        var isFinished: Bool { finished.load(ordering: .acquiring) }
        func finish() { finished.store(true, ordering: .releasing) }
        var committed: [String: [Int64]] { state.withLock { $0 } }
        var count: Int { state.withLock { $0.values.reduce(0) { $0 + $1.count } } }
        func add(_ ids: [Int64], _ receiver: String) { state.withLock { $0[receiver, default: []] += ids } }
    }

    /// Transactions that follow one another, with pauses, savepoints and rollbacks.
    private func write(_ database: TestDatabase, _ ledger: Ledger, receiver: String, seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let writer = try await database.connect()
        let isolations = ["read committed", "repeatable read", "serializable"]
        for _ in 0..<60 {
            try await writer.run("begin isolation level \(isolations[random.next(below: 3)])")
            var ids: [Int64] = []
            for _ in 0...random.next(below: 3) {
                if random.next(below: 5) == 0 {
                    try await writer.run("savepoint s; \(SQL.insert(receiver)); rollback to s")
                }
                let insert = SQL.insert(receiver, count: 1 + random.next(below: 4))
                let rows = try await writer.rows("\(insert) returning id")
                ids += rows.compactMap { Int64($0[0]) }
                if random.next(below: 4) == 0 { try await Task.sleep(for: .milliseconds(random.next(below: 12))) }
            }
            if random.next(below: 4) == 0 {
                try await writer.run("rollback")
            } else {
                try await writer.run("commit")
                ledger.add(ids, receiver)
            }
            if random.next(below: 3) == 0 { try await Task.sleep(for: .milliseconds(random.next(below: 40))) }
        }
        await writer.close()
    }

    /// Two relays; with faults, leaders' sessions are ended at random moments, and relays stopped and started.
    private func runRelays(
        _ database: TestDatabase, _ bus: RecordingBus, _ ledger: Ledger, seed: UInt64, withFaults: Bool
    ) async throws -> Int {
        var random = SeededGenerator(seed: seed &* 7_919)
        var ended = 0
        let admin = try await database.connect()
        var relays = [try await RunningRelay(database, bus: bus), try await RunningRelay(database, bus: bus)]
        while withFaults, !ledger.isFinished {
            try await Task.sleep(for: .milliseconds(50 + random.next(below: 150)))
            if random.next(below: 3) == 0 {
                await relays.removeFirst().stop()
                relays.append(try await RunningRelay(database, bus: bus))
            } else {
                let answers = try await admin.rows(
                    "select pg_terminate_backend(backend_pid) from belfry.relay_cursor where backend_pid is not null")
                ended += answers.count { $0[0] == "t" }
            }
        }
        if withFaults { #expect(ended > 0, "a leader's session was ended") }
        try await eventually("the writers are done", within: .seconds(60)) { ledger.isFinished }
        try await eventually("everything is published", within: .seconds(30)) {
            Set(bus.ids).count >= ledger.count
        }
        try await eventually("a relay sleeps") { relays.contains { $0.isAsleep } }
        let sleeps = relays.reduce(0) { $0 + $1.sleeps }
        for relay in relays { await relay.stop() }
        return sleeps
    }
}

extension SeededGenerator {
    fileprivate mutating func next(below bound: Int) -> Int { Int.random(in: 0..<max(bound, 1), using: &self) }
}
