import Foundation
import PoolerSupport
import Postgres
import Synchronization
import TestBasics
import Testing

/// A session runs PostgreSQL's functions and not those that somebody gave the same name, on every way to the database.
struct SearchPathTests {
    /// How a session comes to its search path.
    enum Way: CaseIterable {
        case direct, urlThatSetsAnother, refusingPooler, ignoringPooler
        var needsPooler: Bool { self == .refusingPooler || self == .ignoringPooler }
        static var possible: [Way] { allCases.filter { !$0.needsPooler || PrivatePooler.program != nil } }
    }

    private let path = PostgresStatement("path", "select current_setting('search_path'), $1::bigint")
    private let ours = "pg_catalog, pg_temp"

    @Test(arguments: Way.possible) func everyStatementHasThePath(way: Way) async throws {
        try await withConnection(way) { connection, _ in
            let unnamed = PostgresStatement("", path.sql)
            for statement in [path, unnamed, path] {
                let result = try await connection.execute(statement, [.int64(7)])
                #expect(result.string(0, 0) == ours)
                #expect(result.int64(0, 1) == 7)
            }
            let check = "do $$ begin assert current_setting('search_path') = '\(ours)'; end $$"
            try await connection.run("\(check); \(check)")
            for end in ["commit", "rollback"] {
                try await connection.run("begin")
                for statement in [path, unnamed] {
                    #expect(try await connection.execute(statement, [.int64(1)]).string(0, 0) == ours)
                }
                try await connection.run(check)
                try await connection.run(end)
                #expect(try await connection.execute(path, [.int64(1)]).string(0, 0) == ours)
            }
            try await connection.run("begin; \(check)")
            _ = try await postgresError { _ = try await connection.execute(PostgresStatement("", "select 1/0")) }
            try await connection.run("rollback")
            #expect(try await connection.execute(path, [.int64(1)]).string(0, 0) == ours)
            try await connection.run("")
        }
    }

    @Test(arguments: Way.possible) func aLookAlikeIsNotRun(way: Way) async throws {
        try await withConnection(way) { connection, plain in
            #expect(plain.value("create table public.trap (query text)") == "")
            let lookAlikes = [
                ("pg_column_size(jsonb)", "int"), ("set_config(text, text, boolean)", "text"),
            ]
            for (function, type) in lookAlikes {
                _ = plain.value(
                    """
                    create function public.\(function) returns \(type) language sql
                    as 'insert into public.trap values (current_query()); select null::\(type)'
                    """)
            }
            _ = plain.value("delete from public.trap; set search_path to public, pg_catalog")
            #expect(plain.value("select pg_column_size('1'::jsonb), count(*) over ()") == "")
            #expect(plain.value("select count(*) from public.trap") == "1", "whoever has public in his path is trapped")
            _ = plain.value("reset search_path")
            #expect(plain.value("select pg_column_size('1'::jsonb)") == "")
            #expect(plain.value("select count(*) from public.trap") == "2")
            _ = plain.value("delete from public.trap")

            let size = "select pg_column_size($1::jsonb), set_config('belfry.x', '1', true)"
            for name in ["size", "", "size"] {
                let result = try await connection.execute(PostgresStatement(name, size), [.text("[1, 2]")])
                #expect((result.int64(0, 0) ?? 0) > 0)
            }
            try await connection.run("select pg_column_size('1'::jsonb); select pg_column_size('2'::jsonb)")
            try await connection.run("begin; select pg_column_size('1'::jsonb)")
            _ = try await connection.execute(PostgresStatement("", size), [.text("[1, 2]")])
            try await connection.run("select pg_column_size('2'::jsonb); commit")
            #expect(plain.value("select count(*) from public.trap") == "0")
        }
    }

    /// The pooler has one session of PostgreSQL's, so both clients use it in turn.
    @Test(.enabled(if: PrivatePooler.program != nil, "pgbouncer is not installed"), arguments: [true, false])
    func otherClientsOfThePoolerKeepTheirs(ignoresOptions: Bool) async throws {
        try await withConnection(ignoresOptions ? .ignoringPooler : .refusingPooler, poolSize: 1) { connection, plain in
            let pid = PostgresStatement("pid", "select pg_backend_pid()")
            let standard = "\"$user\", public"
            #expect(plain.value("show search_path") == standard)
            for _ in 0..<3 {
                #expect(try await connection.execute(path, [.int64(1)]).string(0, 0) == ours)
                #expect(plain.value("show search_path") == standard)
                try await connection.run("select 1")
                #expect(plain.value("show search_path") == standard)
                try await connection.run("begin; select 1")
                _ = try await postgresError { try await connection.run("select 1/0") }
                try await connection.run("rollback")
                #expect(plain.value("show search_path") == standard)
                _ = try await postgresError { _ = try await connection.execute(PostgresStatement("", "select 1/0")) }
                #expect(plain.value("show search_path") == standard)
            }
            #expect(try await connection.execute(pid).string(0, 0) == plain.value("select pg_backend_pid()"))
        }
    }

    /// The database's owner may give it our path until a connection has looked, and another one after that.
    @Test(.enabled(if: PrivatePooler.program != nil, "pgbouncer is not installed"))
    func aPathThatTheDatabaseGivesIsNotTrusted() async throws {
        try await withConnection(.ignoringPooler, databasePath: ours) { connection, plain in
            let name = plain.value("select current_database()")
            #expect(plain.value("show search_path") == ours)
            let admin = try await TestServer.connect()
            try await admin.run("alter database \(name) set search_path = public, pg_catalog")
            let end = PostgresStatement("", "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
            #expect(try await admin.execute(end, [.text(name)]).rowCount > 0)
            #expect(
                await isEventually {
                    plain.reconnect()
                    return plain.value("show search_path") == "public, pg_catalog"
                })
            #expect(try await connection.execute(path, [.int64(1)]).string(0, 0) == ours)
        }
    }

    @Test(arguments: Way.possible) func errorsAreTheServersOwn(way: Way) async throws {
        try await withConnection(way) { connection, plain in
            _ = plain.value("create table public.once (n int primary key deferrable initially deferred)")
            let insert = PostgresStatement("insert", "insert into public.once values ($1)")
            #expect(try await connection.execute(insert, [.int64(1)]).commandTag == "INSERT 0 1")
            // Told at the commit, which is behind the statement's own end.
            let twice = try await postgresError { _ = try await connection.execute(insert, [.int64(1)]) }
            #expect(twice.code == .server)
            #expect(twice.sqlState == "23505")
            #expect(twice.detail == "Key (n)=(1) already exists.")
            for (sql, state) in [("selekt 1", "42601"), ("select 1/0", "22012"), ("select nobody()", "42883")] {
                for name in ["wrong_\(state)", ""] {
                    let error = try await postgresError {
                        _ = try await connection.execute(PostgresStatement(name, sql))
                    }
                    #expect(error.code == .server)
                    #expect(error.sqlState == state)
                }
                #expect(try await postgresError { try await connection.run(sql) }.sqlState == state)
            }
            try await connection.run("begin")
            _ = try await postgresError { _ = try await connection.execute(PostgresStatement("", "select 1/0")) }
            let after = try await postgresError { _ = try await connection.execute(path, [.int64(1)]) }
            #expect(after.sqlState == "25P02")
            #expect(try await connection.execute(PostgresStatement("", "commit")).commandTag == "ROLLBACK")
            #expect(try await connection.execute(PostgresStatement("", "")).rowCount == 0)
            let large = String(repeating: "0123456789abcdef", count: 500_000)
            let result = try await connection.execute(PostgresStatement("", "select $1::text"), [.text(large)])
            #expect(result.withBytes(0, 0) { $0.count } == large.utf8.count)
            #expect(!connection.isClosed)
        }
    }

    @Test(arguments: Way.possible) func copyIsRefusedAndTheConnectionDropped(way: Way) async throws {
        try await withConnection(way) { connection, _ in
            let error = try await postgresError {
                _ = try await connection.execute(PostgresStatement("", "copy (select 1) to stdout"))
            }
            #expect(error.code == .protocolViolation)
            #expect(connection.isClosed)
        }
    }

    @Test(arguments: Way.possible) func aLostConnectionIsNoticed(way: Way) async throws {
        try await withConnection(way) { connection, plain in
            let outcome = Mutex<PostgresError.Code?>(nil)
            let sleep = PostgresStatement("", "select pg_sleep(30), '\(way)'")
            connection.execute(sleep, []) { if case .failure(let error) = $0 { outcome.withLock { $0 = error.code } } }
            let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity where wait_event = 'PgSleep'"
            #expect(await isEventually { plain.value("\(end) and query like '%''\(way)''%'") == "1" })
            #expect(await isEventually { outcome.withLock { $0 } == .connection })
            #expect(connection.isClosed)
        }
    }

    /// Gives a connection to a new database that goes that way, and a plain client that goes the same.
    private func withConnection(
        _ way: Way, poolSize: Int = 2, databasePath: String? = nil,
        _ body: (PostgresConnection, PlainClient) async throws -> Void
    ) async throws {
        let name = TestServer.uniqueName("path")
        let admin = try await TestServer.connect()
        try await admin.run("create database \(name)")
        if let databasePath { try await admin.run("alter database \(name) set search_path = \(databasePath)") }
        var url = try await TestServer.shared.value.url(database: name)
        var pooler: PrivatePooler?
        defer { pooler?.kill() }
        if way.needsPooler {
            let made = try PrivatePooler(
                database: url, role: "postgres", ignoresOptions: way == .ignoringPooler, size: poolSize)
            pooler = made
            url = made.url
        }
        let plainURL = url
        if way == .urlThatSetsAnother {
            url += "?options=-c%20search_path%3Dpublic%20-csearch_path%3Dpublic,pg_catalog"
        }
        let configuration = try PostgresConfiguration(url: url, applicationName: "test")
        var connection: PostgresConnection?
        #expect(
            await isEventually {
                connection = try? await PostgresConnection.connect(configuration)
                return connection != nil
            })
        try await body(try #require(connection), PlainClient(plainURL))
    }
}
