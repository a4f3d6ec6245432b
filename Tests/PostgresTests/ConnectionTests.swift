import Glibc
import Postgres
import Synchronization
import TestBasics
import Testing

/// The life of one connection.
struct ConnectionTests {
    @Test func answersComeInOrderToTheirAskers() async throws {
        let connection = try await TestServer.connect()
        let seen = Mutex<[Int]>([])
        let statement = PostgresStatement("echo", "select $1::bigint")
        for number in 0..<1_000 {
            connection.execute(statement, [.int64(Int64(number))]) { outcome in
                let answer = (try? outcome.get())?.int64(0, 0)
                seen.withLock { $0.append(answer == Int64(number) ? number : -1) }
            }
        }
        #expect(await isEventually { seen.withLock { $0.count } == 1_000 })
        #expect(seen.withLock { $0 } == Array(0..<1_000))
    }

    @Test func terminatedWhileIdleItClosesByItself() async throws {
        let name = TestServer.uniqueName("idle")
        let connection = try await TestServer.connect(applicationName: name)
        #expect(!connection.isClosed)
        #expect(try await TestServer.terminate(name) == 1)
        #expect(await isEventually { connection.isClosed })
        let error = try await postgresError { _ = try await connection.execute(PostgresStatement("", "select 1")) }
        #expect(error.code == .connection)
        #expect(error.sqlState == "57P01")
        #expect(error.message.contains("terminating connection due to administrator command"))
    }

    @Test func terminatedWhileBusyWhatIsQueuedFailsToo() async throws {
        let name = TestServer.uniqueName("busy")
        let connection = try await TestServer.connect(applicationName: name)
        let failures = Mutex<[PostgresError.Code]>([])
        for _ in 0..<5 {
            connection.execute(PostgresStatement("", "select pg_sleep(30)"), []) { outcome in
                if case .failure(let error) = outcome { failures.withLock { $0.append(error.code) } }
            }
        }
        #expect(try await isEventually { try await TestServer.terminate(name) == 1 })
        #expect(await isEventually { failures.withLock { $0.count } == 5 })
        #expect(failures.withLock { $0 } == Array(repeating: .connection, count: 5))
        #expect(connection.isClosed)
    }

    @Test func closeGivesTheStatementUnderWayItsTime() async throws {
        let connection = try await TestServer.connect()
        async let slow = connection.execute(PostgresStatement("", "select pg_sleep(0.3), 7"))
        try await untilBusy(connection)
        await connection.close()
        #expect(try await slow.int64(0, 1) == 7)
        let error = try await postgresError { _ = try await connection.execute(PostgresStatement("", "select 1")) }
        #expect(error.code == .closed)
        await connection.close()
    }

    @Test func closeDoesNotWaitForever() async throws {
        let connection = try await TestServer.connect()
        let outcome = Mutex<PostgresError.Code?>(nil)
        connection.execute(PostgresStatement("", "select pg_sleep(60)"), []) {
            if case .failure(let error) = $0 { outcome.withLock { $0 = error.code } }
        }
        try await untilBusy(connection)
        let start = ContinuousClock.now
        await connection.close()
        #expect(ContinuousClock.now - start < .seconds(10))
        #expect(outcome.withLock { $0 } == .closed)
    }

    @Test func oneThatNobodyHoldsEnds() async throws {
        let name = TestServer.uniqueName("dropped")
        do {
            let connection = try await TestServer.connect(applicationName: name)
            _ = try await connection.execute(PostgresStatement("", "select 1"))
        }
        #expect(try await isEventually { try await TestServer.connectionCount(name) == 0 })
    }

    @Test func theQueueIsBounded() async throws {
        let connection = try await TestServer.connect()
        let overloaded = Atomic<Int>(0)
        let done = Atomic<Int>(0)
        let count = 20_100
        connection.execute(PostgresStatement("", "select pg_sleep(0.5)"), []) { _ in }
        for _ in 0..<count {
            connection.execute(PostgresStatement("", "select $1::text"), [.text("\0")]) { outcome in
                if case .failure(let error) = outcome, error.code == .overloaded {
                    overloaded.add(1, ordering: .relaxed)
                }
                done.add(1, ordering: .relaxed)
            }
        }
        #expect(await isEventually { done.load(ordering: .relaxed) == count })
        #expect((99...100).contains(overloaded.load(ordering: .relaxed)))
    }

    /// A server that accepts and says nothing.
    @Test func aMuteServerIsGivenUp() async throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, length)
                _ = getsockname(listener, $0, &length)
            }
        }
        listen(listener, 1)
        let port = UInt16(bigEndian: address.sin_port)
        let configuration = try PostgresConfiguration(
            url: "postgresql://ann:hush@127.0.0.1:\(port)/db?connect_timeout=1", applicationName: "test")
        let error = try await postgresError { _ = try await PostgresConnection.connect(configuration) }
        #expect(error.code == .timeout)
        #expect(error.message.contains("postgresql://ann@127.0.0.1:\(port)/db"))
    }

    /// A server process that is stopped holds a statement up for as long as its limit says, also one that is to be
    /// prepared first.
    @Test(.timeLimit(.minutes(1)), arguments: ["", "limited"])
    func aStatementOfAHungServerEndsAtItsLimit(_ name: String) async throws {
        let connection = try await TestServer.connect()
        let own = PostgresStatement("", "select pg_backend_pid()::bigint")
        let pid = pid_t(try #require(try await connection.execute(own).int64(0, 0)))
        #expect(kill(pid, SIGSTOP) == 0)
        defer { kill(pid, SIGCONT) }
        let error = try await postgresError {
            _ = try await connection.execute(PostgresStatement(name, "select 1", timeLimit: .milliseconds(300)))
        }
        #expect(error.code == .timeout && connection.isClosed)
    }

    /// Until the statement given before has reached the server.
    private func untilBusy(_ connection: PostgresConnection) async throws {
        let observer = try await TestServer.connect()
        let query = PostgresStatement("", "select from pg_stat_activity where wait_event = 'PgSleep'")
        #expect(try await isEventually { try await observer.execute(query).rowCount > 0 })
    }

    @Test func startsWithTheSettingsOfTheSession() async throws {
        var configuration = try await TestServer.configuration()
        configuration.sessionSettings = ["enable_seqscan": "off", "work_mem": "5MB"]
        let connection = try await PostgresConnection.connect(configuration)
        let shown = PostgresStatement("", "select current_setting('enable_seqscan'), current_setting('work_mem')")
        let result = try await connection.execute(shown)
        #expect(result.string(0, 0) == "off")
        #expect(result.string(0, 1) == "5MB")
        await connection.close()
    }
}
