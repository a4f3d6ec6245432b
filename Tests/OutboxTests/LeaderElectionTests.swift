import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

@Suite struct LeaderElectionTests {
    @Test func `one leads, the other stands by until the leader's session ends`() async throws {
        let database = try await TestServer.makeDatabase()
        let configuration = try database.configuration(role: "test_service")
        let first = try await LeaderElection(configuration: configuration, relay: "first")
            .win(mode: { .sessionLock }, onStandby: { Issue.record("nobody led") })
        let (standby, isStandingBy) = AsyncStream.makeStream(of: Void.self)
        let second = Task {
            try await LeaderElection(configuration: configuration, relay: "second")
                .win(mode: { .sessionLock }, onStandby: { isStandingBy.yield() })
        }
        for await _ in standby { break }
        let connection = try await database.connect()
        let start = ContinuousClock.now
        _ = try await connection.value(
            """
            select pg_terminate_backend(l.pid) from pg_locks l join pg_database d on d.oid = l.database
            where l.locktype = 'advisory' and l.granted and d.datname = current_database()
            """)
        let leadership = try await second.value
        #expect(start.duration(to: .now) < .seconds(2))
        #expect(leadership.term.number == first.term.number + 1)
        #expect(leadership.mode == .sessionLock)
        await #expect(throws: PostgresError.self) { try await first.store.beat(term: first.term.number) }
        await leadership.connection.close()
        await connection.close()
    }

    @Test func `a lease is had from a silent leader only, and made fast by the lock`() async throws {
        let database = try await TestServer.makeDatabase()
        let configuration = try database.configuration(role: "test_service")
        let start = ContinuousClock.now
        let first = try await LeaderElection(configuration: configuration, relay: "first")
            .win(mode: { .lease }, onStandby: {})
        #expect(try await first.takeLock())
        let second = try await LeaderElection(configuration: configuration, relay: "second")
            .win(mode: { .lease }, onStandby: {})
        #expect(start.duration(to: .now) > .seconds(2))
        #expect(start.duration(to: .now) < .seconds(10))
        #expect(second.term.number == first.term.number + 1)
        #expect(try await !second.takeLock())
        #expect(try await first.store.beat(term: first.term.number) == nil)
        await first.connection.close()
        await second.connection.close()
    }

    @Test func `a cancelled candidate ends`() async throws {
        let database = try await TestServer.makeDatabase()
        let configuration = try database.configuration(role: "test_service")
        let first = try await LeaderElection(configuration: configuration, relay: "first")
            .win(mode: { .sessionLock }, onStandby: {})
        let second = Task {
            try await LeaderElection(configuration: configuration, relay: "second")
                .win(mode: { .sessionLock }, onStandby: {})
        }
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        await first.connection.close()
    }
}
