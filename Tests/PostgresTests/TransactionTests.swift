import Postgres
import Testing

/// Transactions on a client's connection.
struct TransactionTests {
    private struct Refusal: Error {}
    private let table = TestServer.uniqueName("ledger")

    @Test func commits() async throws {
        let client = try await makeClient()
        let value = try await client.withTransaction { transaction in
            try await transaction.run("insert into \(table) values (1); insert into \(table) values (2)")
            let count = try await transaction.execute(PostgresStatement("", "select count(*) from \(table)"))
            return count.int64(0, 0)
        }
        #expect(value == 2)
        #expect(try await rows(client) == 2)
        await client.close()
    }

    @Test func isInvisibleToOthersUntilItCommits() async throws {
        let client = try await makeClient()
        try await client.withTransaction { transaction in
            try await transaction.run("insert into \(table) values (1)")
            #expect(try await rows(client) == 0)
        }
        #expect(try await rows(client) == 1)
        await client.close()
    }

    @Test func rollsBackWhatThrows() async throws {
        let client = try await makeClient()
        for _ in 0..<5 {
            await #expect(throws: Refusal.self) {
                try await client.withTransaction { transaction in
                    try await transaction.run("insert into \(table) values (1)")
                    throw Refusal()
                }
            }
        }
        #expect(try await rows(client) == 0)
        #expect(try await idleInTransaction(client) == 0)
        await client.close()
    }

    @Test func aServerErrorRollsBack() async throws {
        let client = try await makeClient()
        let error = try await postgresError {
            try await client.withTransaction { transaction in
                try await transaction.run("insert into \(table) values (1)")
                _ = try await transaction.execute(PostgresStatement("", "select 1/0"))
            }
        }
        #expect(error.sqlState == "22012")
        #expect(try await rows(client) == 0)
        await client.close()
    }

    @Test func anErrorThatTheBodySwallowsIsNoCommit() async throws {
        let client = try await makeClient()
        let error = try await postgresError {
            try await client.withTransaction { transaction in
                try await transaction.run("insert into \(table) values (1)")
                _ = try? await transaction.execute(PostgresStatement("", "select 1/0"))
            }
        }
        #expect(error.sqlState == "25P02")
        #expect(try await rows(client) == 0)
        await client.close()
    }

    @Test func aLostConnectionFailsItAndTheClientComesBack() async throws {
        let client = try await makeClient(size: 1)
        let error = try await postgresError {
            try await client.withTransaction { transaction in
                try await transaction.run("insert into \(table) values (1)")
                let pid = try await transaction.execute(PostgresStatement("", "select pg_backend_pid()"))
                let other = try await TestServer.connect()
                _ = try await other.execute(
                    PostgresStatement("", "select pg_terminate_backend($1::int)"), [.int64(pid.int64(0, 0) ?? 0)])
                try await transaction.run("select 1")
            }
        }
        #expect(error.code == .connection)
        #expect(await eventually { (try? await rows(client)) == 0 })
        await client.close()
    }

    @Test func nothingRunsInItAfterItsEnd() async throws {
        let client = try await makeClient()
        let escaped = try await client.withTransaction { $0 }
        let error = try await postgresError { try await escaped.run("insert into \(table) values (1)") }
        #expect(error.code == .closed)
        #expect(try await rows(client) == 0)
        await client.close()
    }

    /// Twenty transactions over two connections, each alone on its own.
    @Test func manyAtOnceDoNotMix() async throws {
        let client = try await makeClient(size: 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in Int64(0)..<20 {
                group.addTask {
                    try await client.withTransaction { transaction in
                        let insert = PostgresStatement("insert_\(table)", "insert into \(table) values ($1)")
                        _ = try await transaction.execute(insert, [.int64(number)])
                        let mine = try await transaction.execute(
                            PostgresStatement("", "select n from \(table) where xmin = pg_current_xact_id()::xid"))
                        #expect(mine.rowCount == 1 && mine.int64(0, 0) == number)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await rows(client) == 20)
        await client.close()
    }

    @Test func aStatementWaitsForAConnectionThatIsInATransaction() async throws {
        let client = try await makeClient(size: 1)
        async let sleeping: Void = client.withTransaction { try await $0.run("select pg_sleep(1.5)") }
        let observer = try await TestServer.connect()
        let query = PostgresStatement("", "select from pg_stat_activity where query = 'select pg_sleep(1.5)'")
        #expect(try await eventually { try await observer.execute(query).rowCount > 0 })
        #expect(try await rows(client) == 0)
        try await sleeping
        await client.close()
    }

    private func makeClient(size: Int = 2) async throws -> PostgresClient {
        let client = PostgresClient(configuration: try await TestServer.configuration(), size: size)
        client.start()
        _ = try await client.execute(PostgresStatement("", "create table \(table) (n bigint)"))
        return client
    }

    private func rows(_ client: PostgresClient) async throws -> Int64? {
        try await client.execute(PostgresStatement("", "select count(*) from \(table)")).int64(0, 0)
    }

    private func idleInTransaction(_ client: PostgresClient) async throws -> Int {
        let query = "select from pg_stat_activity where state like 'idle in transaction%' and query like '%\(table)%'"
        return try await client.execute(PostgresStatement("", query)).rowCount
    }
}
