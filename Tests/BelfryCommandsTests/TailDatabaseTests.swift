import Foundation
import Postgres
import PrivateServers
import TestBasics
import Testing

@testable import BelfryCommands

/// `belfry tail` as operators run it: from PostgreSQL.
@Suite(.serialized)
struct TailDatabaseTests {
    private func withDatabase(_ body: (PrivatePostgres, PostgresConnection) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("belfry-tail-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        defer { try? FileManager.default.removeItem(at: folder) }
        let postgres = try await PrivatePostgres.start(
            dataDirectory: folder.appendingPathComponent("postgres"), settings: ["fsync": "off"])
        #expect(try await BelfryProgram.run(["migrate", "--postgres-url", postgres.url]).status == 0)
        let connection = try await connect(postgres)
        try await connection.run("create role oncall login in role belfry_operator")
        do {
            try await body(postgres, connection)
        } catch {
            await postgres.stop()
            throw error
        }
        await connection.close()
        await postgres.stop()
    }

    private func connect(_ postgres: PrivatePostgres) async throws -> PostgresConnection {
        try await PostgresConnection.connect(PostgresConfiguration(url: postgres.url, applicationName: "tests"))
    }

    /// Runs it as the login `oncall`, and returns when it has begun.
    private func tail(
        _ postgres: PrivatePostgres, _ connection: PostgresConnection, _ arguments: String...
    ) async throws -> BelfryProgram {
        let url = postgres.url.replacing("postgres@", with: "oncall@", maxReplacements: 1)
        let program = try BelfryProgram(["tail", "--postgres-url", url] + arguments)
        try await eventually("it looks") {
            let looking = try await connection.execute(
                PostgresStatement(
                    "",
                    """
                    select count(*) from pg_stat_activity
                    where application_name = 'belfry tail' and state = 'idle' and query like '%pg_snapshot_xip%'
                    """))
            return looking.int64(0, 0) == 1
        }
        return program
    }

    private func end(_ program: BelfryProgram) async -> BelfryProgram.Outcome {
        kill(program.processIdentifier, SIGINT)
        return await program.outcome()
    }

    private func lines(_ program: BelfryProgram) -> [String] {
        program.outputText.split(separator: "\n").map(String.init)
    }

    @Test func itShowsWhatIsCommittedAndWhatBecomesOfIt() async throws {
        try await withDatabase { postgres, connection in
            let text = try await tail(postgres, connection, "--type", "JSON_MSG", "--changes")
            let late = try await connect(postgres)
            try await late.run("begin; select belfry.notify('alice', 'JSON_MSG', '{\"order\": 7}')")
            try await connection.run(
                """
                select belfry.notify('bob', 'STRING_MSG', '"x"');
                select belfry.broadcast('news', 'JSON_MSG', '[12345678901234567890.10, "\\u001b[2J"]')
                """)
            try await eventually("the broadcast is there") { lines(text).count >= 1 }
            try await late.run("commit")
            try await eventually("what was committed late, too") { lines(text).count >= 2 }
            try await connection.run("select belfry.cancel(1)")
            try await eventually("it is told that it was cancelled") { lines(text).count >= 3 }
            let ended = await end(text)
            #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended.errors)")
            let columns = lines(text).map { $0.split(separator: "\t").map(String.init) }
            #expect(columns[0][1...4] == ["3", "/topic/news", "JSON_MSG", #"[12345678901234567890.10, "\u001b[2J"]"#])
            #expect(columns[1][1...4] == ["1", "alice", "JSON_MSG", #"{"order": 7}"#])
            #expect(lines(text)[2] == "\t1\tcancelled\tCancelled by postgres.")

            let json = try await tail(postgres, connection, "--json", "--since", "1h", "--receiver", "bob")
            try await eventually("it begins in the past") { lines(json).count >= 1 }
            let object = try JSONSerialization.jsonObject(with: Data(lines(json)[0].utf8)) as? [String: Any]
            #expect(object?["id"] as? String == "2" && object?["data"] as? String == "x" && lines(json).count == 1)
            #expect(await end(json).status == 0)
            await late.close()
        }
    }

    /// Nothing that it does is in the way of others, and it waits for nobody but in its own table lock.
    @Test func aReaderThatStandsStillHoldsNothing() async throws {
        try await withDatabase { postgres, connection in
            let program = try await tail(postgres, connection, "--json")
            kill(program.processIdentifier, SIGSTOP)
            try await connection.run(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'alice', 'JSON_MSG', to_jsonb(n) from generate_series(1, 3000) n;
                set lock_timeout = '1s';
                lock table belfry.message_log in access exclusive mode
                """)
            let held = try await connection.execute(
                PostgresStatement(
                    "",
                    """
                    select count(*) from pg_stat_activity
                    where application_name = 'belfry tail' and (xact_start is not null or backend_xmin is not null)
                    """))
            #expect(held.int64(0, 0) == 0)
            kill(program.processIdentifier, SIGCONT)
            try await eventually("all are there, over several pages") { lines(program).count == 3_000 }
            #expect(await end(program).status == 0)
        }
    }

    @Test func itGoesOnWherePostgreSQLCameBack() async throws {
        try await withDatabase { postgres, connection in
            let program = try await tail(postgres, connection)
            try await connection.run("select belfry.notify('alice', 'JSON_MSG', '1')")
            try await eventually("it follows") { lines(program).count == 1 }
            postgres.kill()
            try await eventually("it says that it has lost it") { program.errorText.contains("It is tried again.") }
            try await postgres.restart()
            let again = try await connect(postgres)
            try await again.run("select belfry.notify('alice', 'JSON_MSG', '2')")
            try await eventually("it follows again") { lines(program).count == 2 }
            #expect(program.errorText.contains("Connected again."))
            #expect(lines(program).allSatisfy { $0.contains("alice\tJSON_MSG") })
            #expect(await end(program).status == 0)
            await again.close()
        }
    }

    @Test func whatDoesNotGoTogetherIsSaid() async throws {
        let mixed = try await BelfryProgram.run(["tail", "--user", "alice", "--type", "JSON_MSG"])
        #expect(mixed.status == 64 && mixed.errors.contains("leave out --user and --token"), "\(mixed.errors)")
        let client = try await BelfryProgram.run(["tail", "--ack"])
        #expect(client.status == 64 && client.errors.contains("give --user, --token or both"), "\(client.errors)")
        let topic = try await BelfryProgram.run(["tail", "--topic", "/topic/news"])
        #expect(topic.status == 64 && topic.errors.contains("without /topic/"), "\(topic.errors)")
        let time = try await BelfryProgram.run(["tail", "--since", "soon"])
        #expect(time.status == 64 && time.errors.contains("--since must be"), "\(time.errors)")
        let none = try await BelfryProgram.run(["tail"])
        #expect(none.status == 1 && none.errors.contains("No database is configured"), "\(none.errors)")
        let away = try await BelfryProgram.run(["tail", "--postgres-url", "postgresql://x@127.0.0.1:1/x"])
        #expect(away.status == 1 && away.errors.contains("Connection refused"), "\(away.errors)")
    }
}
