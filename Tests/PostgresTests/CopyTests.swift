import Postgres
import Synchronization
import TestBasics
import Testing

/// `COPY … TO STDOUT`.
struct CopyTests {
    private static func copy(_ sql: String, _ connection: PostgresConnection) async throws -> [String] {
        let rows = Mutex<[String]>([])
        try await connection.copyOut(sql) { row in
            rows.withLock { $0.append(String(decoding: row, as: UTF8.self)) }
        }
        return rows.withLock { $0 }
    }

    @Test func rowsComeInTheirOrderAndTheConnectionGoesOn() async throws {
        let connection = try await TestServer.connect()
        let rows = try await Self.copy("copy (select generate_series(1, 100000)) to stdout", connection)
        #expect(rows == (1...100_000).map { "\($0)\n" })
        #expect(try await Self.copy("copy (select 1 where false) to stdout", connection).isEmpty)
        #expect(try await connection.execute(PostgresStatement("", "select 7::bigint"), []).int64(0, 0) == 7)
        await connection.close()
    }

    /// One that fails in the middle has given rows before.
    @Test func whatTheServerRefusesIsTold() async throws {
        let connection = try await TestServer.connect()
        let error = try await postgresError {
            _ = try await Self.copy("copy (select 1 / (500 - i) from generate_series(1, 1000) i) to stdout", connection)
        }
        #expect(error.sqlState == "22012")
        let other = try await postgresError { _ = try await Self.copy("copy nothing to stdout", connection) }
        #expect(other.sqlState == "42P01")
        #expect(try await Self.copy("copy (select 1) to stdout", connection) == ["1\n"])
        await connection.close()
    }

    @Test func whatIsNoCopyHasNoRows() async throws {
        let connection = try await TestServer.connect()
        #expect(try await Self.copy("select 1", connection).isEmpty)
        #expect(try await connection.execute(PostgresStatement("", "select 7::bigint"), []).int64(0, 0) == 7)
        let error = try await postgresError { _ = try await Self.copy("copy pg_class from stdin", connection) }
        #expect(error.code == .protocolViolation && connection.isClosed)
    }

    @Test func aServerThatIsEndedMeanwhileIsTold() async throws {
        let name = TestServer.uniqueName("copy")
        let connection = try await TestServer.connect(applicationName: name)
        let count = Mutex(0)
        let copying = Task {
            try await connection.copyOut("copy (select pg_sleep(0.01) from generate_series(1, 10000)) to stdout") { _ in
                count.withLock { $0 += 1 }
            }
        }
        #expect(try await isEventually { try await TestServer.terminate(name) == 1 })
        let error = try await postgresError { try await copying.value }
        #expect(error.code == .connection)
        await connection.close()
    }
}
