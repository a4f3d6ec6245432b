import DatabaseSupport
import Postgres
import TestBasics
import Testing

@testable import Outbox

@Suite struct LeaderElectionTests {
    /// A candidate, with a connection of its own for signs of life.
    private struct Candidate {
        let election: LeaderElection
        let beats: PostgresConnection

        init(_ name: String, _ database: TestDatabase) async throws {
            let configuration = try database.configuration(role: "test_service")
            beats = try await PostgresConnection.connect(configuration)
            election = LeaderElection(configuration: configuration, beats: beats, relay: name)
        }

        func win(
            _ mode: LeaderElection.Mode, onStandby: @escaping @Sendable () -> Void = {},
            onHung: @escaping @Sendable () -> Void = {}
        ) async throws -> LeaderElection.Leadership {
            try await election.win(mode: { mode }, onStandby: onStandby, onHung: onHung)
        }
    }

    @Test func `one leads, the other stands by until the leader's session ends`() async throws {
        let database = try await TestServer.makeDatabase()
        let first = try await Candidate("first", database).win(.direct, onStandby: { Issue.record("nobody led") })
        let (standby, isStandingBy) = AsyncStream.makeStream(of: Void.self)
        let candidate = try await Candidate("second", database)
        let second = Task { try await candidate.win(.direct, onStandby: { isStandingBy.yield() }) }
        for await _ in standby { break }
        let connection = try await database.connect()
        let start = ContinuousClock.now
        _ = try await connection.value("select pg_terminate_backend(backend_pid) from belfry.relay_cursor")
        let leadership = try await second.value
        #expect(start.duration(to: .now) < .seconds(2))
        #expect(leadership.term.number == first.term.number + 1)
        #expect(leadership.mode == .direct)
        #expect(try await first.store.beat(term: first.term.number) == nil)
        await leadership.connection.close()
        await connection.close()
    }

    /// An application's role may take any advisory lock, and read the cursor's table not at all.
    @Test func `no other role's locks keep a relay from leading`() async throws {
        let database = try await TestServer.makeDatabase()
        let stranger = try await database.connect()
        try await stranger.run(
            """
            create role stranger_\(UInt32.random(in: 0...UInt32.max)) in role belfry_writer;
            select pg_advisory_lock(x'62656c6672790000'::bigint), pg_advisory_lock(x'62656c666d696772'::bigint)
            """)
        let first = try await Candidate("first", database).win(.direct, onStandby: { Issue.record("nobody led") })
        try await first.store.resign(term: first.term.number)
        let second = try await Candidate("second", database).win(.direct)
        #expect(second.term.number == first.term.number + 1)
        await first.connection.close()
        await second.connection.close()
        await stranger.close()
    }

    @Test func `a lease is had from a silent leader only, and made fast by its backend`() async throws {
        let database = try await TestServer.makeDatabase()
        let start = ContinuousClock.now
        let first = try await Candidate("first", database).win(.lease)
        let second = try await Candidate("second", database).win(.lease)
        #expect(start.duration(to: .now) > .seconds(2))
        #expect(start.duration(to: .now) < .seconds(10))
        #expect(second.term.number == first.term.number + 1)
        #expect(try await !first.becomeDirect())
        #expect(try await second.becomeDirect())
        #expect(try await first.store.beat(term: first.term.number) == nil)
        // However silent, it leads: its backend lives, and who looks by lease sees that as well.
        let connection = try await database.connect()
        try await connection.run("update belfry.relay_cursor set leader_seen_at = now() - interval '3 seconds'")
        let third = RelayStore(executor: try await database.connect(role: "test_service"))
        #expect(try await third.takeOver(relay: "third", isDirect: false) == nil)
        await second.connection.close()
        try await eventually("a leader's end is seen") {
            try await third.takeOver(relay: "third", isDirect: false) != nil
        }
        await first.connection.close()
        await connection.close()
    }

    @Test func `a leader whose statement takes long is not taken for one that hangs`() async throws {
        let database = try await TestServer.makeDatabase()
        let first = try await Candidate("first", database).win(.direct)
        // It gives no sign of life, as if its other connection were gone, but its backend works.
        let work = Task { try await first.connection.run("select pg_sleep(9)") }
        let candidate = try await Candidate("second", database)
        let second = Task { try await candidate.win(.direct, onHung: { Issue.record("it was working") }) }
        try await work.value
        #expect(try await first.store.beat(term: first.term.number) != nil)
        second.cancel()
        _ = try? await second.value
        await first.connection.close()
    }

    @Test func `a leader that hangs is ended and replaced`() async throws {
        let database = try await TestServer.makeDatabase()
        let first = try await Candidate("first", database).win(.direct)
        let second = try await Candidate("second", database).win(.direct)
        #expect(second.term.number == first.term.number + 1)
        await #expect(throws: PostgresError.self) { try await first.connection.run("select 1") }
        await second.connection.close()
    }

    /// The sign of life that a candidate finds may be the last leader's: a new one has given none yet.
    @Test func `a leader whose last sign of life is old is watched for a second first`() async throws {
        let database = try await TestServer.makeDatabase()
        let first = try await Candidate("first", database).win(.direct)
        let connection = try await database.connect()
        try await connection.run("update belfry.relay_cursor set leader_seen_at = now() - interval '1 hour'")
        let start = ContinuousClock.now
        let second = try await Candidate("second", database).win(
            .direct, onHung: { #expect(start.duration(to: .now) > .seconds(1)) })
        #expect(start.duration(to: .now) > .seconds(1))
        #expect(second.term.number == first.term.number + 1)
        await second.connection.close()
        await connection.close()
    }

    @Test func `a cancelled candidate ends`() async throws {
        let database = try await TestServer.makeDatabase()
        let first = try await Candidate("first", database).win(.direct)
        let candidate = try await Candidate("second", database)
        let second = Task { try await candidate.win(.direct) }
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        await first.connection.close()
    }
}
