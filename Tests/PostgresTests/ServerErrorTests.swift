import Postgres
import Synchronization
import Testing

/// What the server refuses, and what becomes of the connection.
struct ServerErrorTests {
    @Test func carriesTheServersWords() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("create temporary table t (n int primary key); insert into t values (1)")
        let error = try await postgresError {
            _ = try await connection.execute(PostgresStatement("again", "insert into t values ($1)"), [.int64(1)])
        }
        #expect(error.code == .server)
        #expect(error.sqlState == "23505")
        #expect(error.message == "duplicate key value violates unique constraint \"t_pkey\"")
        #expect(error.detail == "Key (n)=(1) already exists.")
        #expect(!error.description.contains("Key (n)"))
        #expect(error.description.contains("23505"))
        #expect(!error.isTransient)
        #expect(!connection.isClosed)
        let raised = try await postgresError {
            try await connection.run("do $$ begin raise exception 'no' using errcode = '40001', hint = 'try'; end $$")
        }
        #expect(raised.sqlState == "40001")
        #expect(raised.hint == "try")
        #expect(raised.isTransient)
    }

    @Test func aSyntaxErrorFailsOnlyItsOwnStatement() async throws {
        let connection = try await TestServer.connect()
        let wrong = PostgresStatement("wrong", "selekt 1")
        for _ in 0..<2 {
            let error = try await postgresError { _ = try await connection.execute(wrong) }
            #expect(error.sqlState == "42601")
        }
        #expect(try await connection.execute(PostgresStatement("right", "select 1")).int64(0, 0) == 1)
    }

    @Test func aScriptIsOneTransactionAndItsFirstErrorCounts() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("create temporary table t (n int)")
        let error = try await postgresError { try await connection.run("insert into t values (1); select 1/0") }
        #expect(error.sqlState == "22012")
        #expect(try await connection.execute(PostgresStatement("", "select from t")).rowCount == 0)
    }

    @Test func copyIsRefusedAndTheConnectionDropped() async throws {
        let connection = try await TestServer.connect()
        let error = try await postgresError { try await connection.run("copy (select 1) to stdout") }
        #expect(error.code == .protocolViolation)
        #expect(connection.isClosed)
    }

    @Test func noticesGoToTheHandler() async throws {
        let notices = Mutex<[PostgresNotice]>([])
        var configuration = try await TestServer.configuration()
        let handler: @Sendable (PostgresNotice) -> Void = { notice in notices.withLock { $0.append(notice) } }
        configuration.onNotice = handler
        let connection = try await PostgresConnection.connect(configuration)
        try await connection.run("do $$ begin raise notice 'hear %', 'me'; raise warning 'w'; end $$")
        let heard = notices.withLock { $0 }
        #expect(heard.map(\.message) == ["hear me", "w"])
        #expect(heard.map(\.severity) == ["NOTICE", "WARNING"])
    }

    @Test func aStatementOverItsTimeEndsTheConnection() async throws {
        var configuration = try await TestServer.configuration()
        configuration.statementTimeout = .milliseconds(100)
        let connection = try await PostgresConnection.connect(configuration)
        let error = try await postgresError {
            _ = try await connection.execute(PostgresStatement("", "select pg_sleep(30)"))
        }
        #expect(error.code == .timeout)
        #expect(error.isTransient)
        #expect(connection.isClosed)
    }
}

/// Prepared statements that are not what this connection believes them to be.
struct PreparedStatementTests {
    private let statement = PostgresStatement("answer", "select $1::int + 1")

    @Test func oneThatIsGoneIsRunAllTheSame() async throws {
        let connection = try await TestServer.connect()
        #expect(try await connection.execute(statement, [.int64(1)]).int64(0, 0) == 2)
        try await connection.run("deallocate all")
        #expect(try await connection.execute(statement, [.int64(2)]).int64(0, 0) == 3)
        #expect(try await connection.execute(statement, [.int64(3)]).int64(0, 0) == 4)
    }

    @Test func somebodyElsesOfTheSameNameIsNotRun() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("prepare answer(int) as select $1 + 100")
        #expect(try await connection.execute(statement, [.int64(1)]).int64(0, 0) == 2)
        #expect(try await connection.execute(statement, [.int64(2)]).int64(0, 0) == 3)
    }

    @Test func twoTextsUnderOneNameAreNotMixedUp() async throws {
        let connection = try await TestServer.connect()
        #expect(try await connection.execute(statement, [.int64(1)]).int64(0, 0) == 2)
        let other = PostgresStatement("answer", "select $1::int + 10")
        #expect(try await connection.execute(other, [.int64(1)]).int64(0, 0) == 11)
        #expect(try await connection.execute(statement, [.int64(1)]).int64(0, 0) == 2)
    }

    @Test func inATransactionTheErrorIsTransientAndTheNextTryWorks() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("prepare answer(int) as select $1 + 100; begin")
        let error = try await postgresError { _ = try await connection.execute(statement, [.int64(1)]) }
        #expect(error.sqlState == "42P05")
        #expect(error.isTransient)
        try await connection.run("rollback; begin")
        #expect(try await connection.execute(statement, [.int64(1)]).int64(0, 0) == 2)
    }

    @Test func aChangedTableDoesNotSpoilIt() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("create temporary table t as select 1 as n")
        let all = PostgresStatement("all", "select * from t")
        #expect(try await connection.execute(all).columnCount == 1)
        try await connection.run("alter table t add m int default 5")
        #expect(try await connection.execute(all).int64(0, 1) == 5)
    }

    @Test(arguments: [true, false]) func preparingCanBeTurnedOff(inURL: Bool) async throws {
        var url = try await TestServer.shared.value.url
        if inURL { url += "?belfry_prepare=off" }
        var configuration = try PostgresConfiguration(url: url, applicationName: "test")
        if !inURL { configuration.preparesStatements = false }
        let connection = try await PostgresConnection.connect(configuration)
        #expect(try await connection.execute(statement, [.int64(1)]).int64(0, 0) == 2)
        let prepared = PostgresStatement("", "select name from pg_prepared_statements")
        #expect(try await connection.execute(prepared).rowCount == 0)
        let other = try await TestServer.connect()
        _ = try await other.execute(statement, [.int64(1)])
        #expect(try await other.execute(prepared).string(0, 0) == "answer")
    }
}
