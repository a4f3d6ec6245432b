import Foundation
import Postgres
import PrivateServers
import Synchronization
import TestBasics
import Testing

/// Statements of a client whose connections are busy, or gone.
struct WaitingStatementTests {
    private let echo = PostgresStatement("echo", "select $1::bigint")

    /// What became of statements, in the order in which they ended.
    private final class Record: Sendable {
        private let entries = Mutex<[String]>([])
        var all: [String] { entries.withLock { $0 } }
        var count: Int { entries.withLock { $0.count } }

        func add(_ outcome: Result<PostgresResult, PostgresError>) {
            let text =
                switch outcome {
                case .success(let result): result.string(0, 0)
                case .failure(let error): "\(error.code.name): \(error.message)"
                }
            entries.withLock { $0.append(text) }
        }
    }

    @Test func oneThatIsBlockedHoldsUpNobody() async throws {
        let lock = try await TestLock()
        let client = try await makeClient(size: 2)
        let (blocked, others) = (Record(), Record())
        client.execute(lock.statement, [], completion: blocked.add)
        try await lock.untilWaitedFor()
        for number in Int64(0)..<200 { client.execute(echo, [.int64(number)], completion: others.add) }
        #expect(await isEventually { others.count == 200 })
        #expect(others.all == (0..<200).map(String.init), "they run in the order in which they came")
        #expect(blocked.count == 0)
        try await lock.release()
        #expect(await isEventually { blocked.count == 1 })
        await client.close()
    }

    /// Longer than one waits for a connection where none is up.
    @Test func whileAllAreBusyOneWaitsOn() async throws {
        let client = try await makeClient(size: 1)
        async let slow = client.execute(PostgresStatement("", "select pg_sleep(1.5)"))
        try await untilAsleep(1)
        #expect(try await client.execute(echo, [.int64(7)]).int64(0, 0) == 7)
        _ = try await slow
        await client.close()
    }

    @Test func closeFailsThoseThatWait() async throws {
        let lock = try await TestLock()
        let client = try await makeClient(size: 1)
        let (blocked, others) = (Record(), Record())
        client.execute(lock.statement, [], completion: blocked.add)
        try await lock.untilWaitedFor()
        for number in Int64(0)..<50 { client.execute(echo, [.int64(number)], completion: others.add) }
        async let closed: Void = client.close()
        #expect(await isEventually { others.count == 50 })
        #expect(others.all.allSatisfy { $0.hasPrefix("closed") })
        await closed
        #expect(blocked.all.map { $0.hasPrefix("closed") } == [true])
        #expect(try await postgresError { _ = try await client.execute(echo, [.int64(1)]) }.code == .closed)
        try await lock.release()
    }

    /// Those that were not begun are run by the connection that comes next.
    @Test func whenTheConnectionIsLostTheNextOneRunsThem() async throws {
        let lock = try await TestLock()
        let name = TestServer.uniqueName("waiting")
        let client = try await makeClient(size: 1, name)
        let (blocked, others) = (Record(), Record())
        client.execute(lock.statement, [], completion: blocked.add)
        try await lock.untilWaitedFor()
        for number in Int64(0)..<50 { client.execute(echo, [.int64(number)], completion: others.add) }
        #expect(try await TestServer.terminate(name) == 1)
        #expect(await isEventually { others.count == 50 })
        #expect(others.all == (0..<50).map(String.init))
        #expect(blocked.all.map { $0.hasPrefix("connection") } == [true])
        try await lock.release()
        await client.close()
    }

    @Test func whenNoneComesBackTheyFailAfterASecond() async throws {
        let folder = URL(fileURLWithPath: "/tmp/belfry-test-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let server = try await PrivatePostgres.start(dataDirectory: folder, settings: ["fsync": "off"])
        let client = PostgresClient(
            configuration: try PostgresConfiguration(url: server.url, applicationName: "test"), size: 2)
        client.start()
        #expect(await isEventually { client.isAvailable })
        let (asleep, others) = (Record(), Record())
        let watch = try await PostgresConnection.connect(
            PostgresConfiguration(url: server.url, applicationName: "watch"))
        for _ in 0..<2 { client.execute(PostgresStatement("", "select pg_sleep(60)"), [], completion: asleep.add) }
        try await untilAsleep(2, watch)
        for number in Int64(0)..<20 { client.execute(echo, [.int64(number)], completion: others.add) }
        let start = ContinuousClock.now
        server.kill()
        #expect(await isEventually { asleep.count == 2 })
        #expect(await isEventually { others.count == 20 })
        #expect((Duration.seconds(1)...Duration.seconds(5)).contains(ContinuousClock.now - start))
        #expect(others.all.allSatisfy { $0.hasPrefix("noConnection: No connection is up: ") }, "\(others.all)")
        await client.close()
    }

    @Test func theirNumberIsBounded() async throws {
        let lock = try await TestLock()
        let client = try await makeClient(size: 1)
        let (blocked, others) = (Record(), Record())
        client.execute(lock.statement, [], completion: blocked.add)
        try await lock.untilWaitedFor()
        let invalid = PostgresStatement("", "select $1::text")
        for _ in 0..<20_100 { client.execute(invalid, [.text("\0")], completion: others.add) }
        #expect(others.count == 100)
        #expect(others.all.allSatisfy { $0.hasPrefix("overloaded") })
        try await lock.release()
        #expect(await isEventually { others.count == 20_100 })
        #expect(blocked.count == 1)
        await client.close()
    }

    private func makeClient(size: Int, _ name: String = TestServer.uniqueName("client")) async throws -> PostgresClient
    {
        let client = PostgresClient(
            configuration: try await TestServer.configuration(applicationName: name), size: size)
        client.start()
        #expect(try await isEventually { try await TestServer.connectionCount(name) == size })
        #expect(await isEventually { client.isAvailable })
        return client
    }

    /// Until so many statements of this suite sleep in the server.
    private func untilAsleep(_ count: Int, _ watch: PostgresConnection? = nil) async throws {
        let observer = if let watch { watch } else { try await TestServer.connect() }
        let query = PostgresStatement(
            "", "select from pg_stat_activity where wait_event = 'PgSleep' and query in ($1, $2)")
        #expect(
            try await isEventually {
                try await observer.execute(query, [.text("select pg_sleep(1.5)"), .text("select pg_sleep(60)")])
                    .rowCount >= count
            })
    }
}

/// A lock that a test's own connection holds, and a statement that waits for it.
private struct TestLock {
    private let holder: PostgresConnection
    private let key = Int64.random(in: 0...Int64(Int32.max))

    init() async throws {
        holder = try await TestServer.connect()
        _ = try await holder.execute(PostgresStatement("", "select pg_advisory_lock(0, $1::int)"), [.int64(key)])
    }

    var statement: PostgresStatement { PostgresStatement("", "select 'got it', pg_advisory_lock(0, \(key))") }

    func untilWaitedFor() async throws {
        let query = PostgresStatement(
            "", "select from pg_locks where locktype = 'advisory' and objid = $1::bigint::oid and not granted")
        #expect(try await isEventually { try await holder.execute(query, [.int64(key)]).rowCount == 1 })
    }

    func release() async throws {
        _ = try await holder.execute(PostgresStatement("", "select pg_advisory_unlock(0, $1::int)"), [.int64(key)])
    }
}

extension PostgresError.Code {
    /// The code's word.
    fileprivate var name: String {
        switch self {
        case .connection: "connection"
        case .noConnection: "noConnection"
        case .closed: "closed"
        case .overloaded: "overloaded"
        default: "other"
        }
    }
}
