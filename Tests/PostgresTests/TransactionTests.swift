import Postgres
import Testing

/// Transaction blocks on a connection of one's own.
struct TransactionTests {
    private let table = "public." + TestServer.uniqueName("ledger")

    @Test func whatIsNotCommittedNobodyElseSees() async throws {
        let connection = try await makeConnection()
        let other = try await TestServer.connect()
        try await connection.run("begin")
        let insert = PostgresStatement("insert", "insert into \(table) values ($1)")
        _ = try await connection.execute(insert, [.int64(1)])
        #expect(try await rows(connection) == 1)
        #expect(try await rows(other) == 0)
        try await connection.run("commit")
        #expect(try await rows(other) == 1)
    }

    /// The server answers so to COMMIT when a statement before it failed and nobody took notice.
    @Test func aCommitAfterAnErrorSaysThatItRolledBack() async throws {
        let connection = try await makeConnection()
        try await connection.run("begin; insert into \(table) values (1)")
        let error = try await postgresError { _ = try await connection.execute(PostgresStatement("", "select 1/0")) }
        #expect(error.sqlState == "22012")
        let next = try await postgresError { _ = try await rows(connection) }
        #expect(next.sqlState == "25P02")
        #expect(try await connection.execute(PostgresStatement("", "commit")).commandTag == "ROLLBACK")
        #expect(try await rows(connection) == 0)
    }

    @Test func aLostConnectionUndoesIt() async throws {
        let name = TestServer.uniqueName("lost")
        _ = try await makeConnection()
        let connection = try await TestServer.connect(applicationName: name)
        try await connection.run("begin; insert into \(table) values (1)")
        #expect(try await TestServer.terminate(name) == 1)
        let error = try await postgresError { try await connection.run("commit") }
        #expect(error.code == .connection)
        let other = try await TestServer.connect()
        #expect(try await rows(other) == 0)
    }

    private func makeConnection() async throws -> PostgresConnection {
        let connection = try await TestServer.connect()
        try await connection.run("create table \(table) (n bigint)")
        return connection
    }

    private func rows(_ connection: PostgresConnection) async throws -> Int64? {
        try await connection.execute(PostgresStatement("", "select count(*) from \(table)")).int64(0, 0)
    }
}
