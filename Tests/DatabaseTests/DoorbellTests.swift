import Postgres
import Synchronization
import TestBasics
import Testing

/// A writer rings when the relay sleeps, and only then.
@Suite struct DoorbellTests {
    /// A listener on the channel. A barrier of its own ends each look: notifications come in the order of their
    /// commits.
    private final class Listener: Sendable {
        private let heard = Mutex<[String]>([])
        private let isListening = Mutex(false)
        private let listener = Mutex<PostgresListener?>(nil)

        init(_ database: SchemaDatabase) async throws {
            let configuration = try PostgresConfiguration(url: database.url, applicationName: "listener")
            let listener = PostgresListener(configuration: configuration, channels: ["belfry_doorbell"]) {
                [weak self] event in
                switch event {
                case .listening: self?.isListening.withLock { $0 = true }
                case .notification(_, let payload): self?.heard.withLock { $0.append(payload) }
                case .lost: break
                }
            }
            self.listener.withLock { $0 = listener }
            listener.start()
            try await eventually("LISTEN") { isListening.withLock { $0 } }
        }

        /// Rings since the last look.
        func rings(_ database: SchemaDatabase) async throws -> Int {
            try await database.query("select pg_notify('belfry_doorbell', 'barrier')")
            try await eventually("the barrier") { heard.withLock { $0.contains("barrier") } }
            return heard.withLock { heard in
                defer { heard = [] }
                return heard.count - 1
            }
        }

        func stop() async { await listener.withLock { $0 }?.stop() }
    }

    private static let insert = "insert into belfry.message_log (receiver, type, data) values ('a', 'JSON_MSG', '1')"

    @Test func itRingsOnlyWhileTheRelaySleeps() async throws {
        let database = try await SchemaDatabase()
        let listener = try await Listener(database)
        try await database.query(Self.insert)
        #expect(try await listener.rings(database) == 1, "it is armed at first")

        try await database.query("select setval('belfry.doorbell', 2)")
        try await database.query(Self.insert)
        try await database.query("select belfry.notify('alice', 'JSON_MSG', '1')")
        #expect(try await listener.rings(database) == 0, "the relay is awake")

        try await database.query("select setval('belfry.doorbell', 1)")
        try await database.connection.run("begin; \(Self.insert); \(Self.insert); commit")
        #expect(try await listener.rings(database) == 1, "once a transaction")
        await listener.stop()
    }

    @Test func whatWritesNothingDoesNotRing() async throws {
        let database = try await SchemaDatabase()
        let listener = try await Listener(database)
        try await database.connection.run("begin; \(Self.insert); rollback")
        try await database.query("insert into belfry.message_log (receiver, type) select 'a', 'JSON_MSG' where false")
        _ = try await database.refusal("select belfry.notify('alice', 'NO_SUCH', '1')")
        #expect(try await listener.rings(database) == 0)

        let key = "select belfry.notify('alice', 'JSON_MSG', '1', idempotency_key => 'k')"
        try await database.query(key)
        #expect(try await listener.rings(database) == 1)
        try await database.query(key)
        #expect(try await listener.rings(database) == 0)
        await listener.stop()
    }

    @Test(arguments: ["repeatable read", "serializable"])
    func aSnapshotFromBeforeTheArmingSeesIt(level: String) async throws {
        let database = try await SchemaDatabase()
        let listener = try await Listener(database)
        try await database.query("select setval('belfry.doorbell', 2)")
        let writer = try await database.connect()
        try await writer.run("begin isolation level \(level); select count(*) from belfry.message_log")
        try await database.query("select setval('belfry.doorbell', 1)")
        try await writer.run("\(Self.insert); commit")
        #expect(try await listener.rings(database) == 1)
        await listener.stop()
    }

    @Test func replayRings() async throws {
        let database = try await SchemaDatabase()
        try await database.query(Self.insert)
        let listener = try await Listener(database)
        try await database.query("select belfry.replay('{1}', dry_run => true)")
        #expect(try await listener.rings(database) == 0)
        try await database.query("select belfry.replay('{1}')")
        #expect(try await listener.rings(database) == 1)
        await listener.stop()
    }
}
