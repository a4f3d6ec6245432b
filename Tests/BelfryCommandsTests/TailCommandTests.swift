import Foundation
import Postgres
import PrivateServers
import TestBasics
import Testing

@testable import BelfryCommands

/// `belfry tail` against a process that serves.
@Suite(.serialized)
struct TailCommandTests {
    private static let secret = String(repeating: "secret", count: 6)

    /// What a test works with: where the node is, and the database's URL for each role.
    private struct Served {
        let port: Int
        let database: String

        var url: String { "ws://127.0.0.1:\(port)/ws" }

        func notify(_ arguments: String...) async throws -> String {
            let outcome = try await BelfryProgram.run(
                ["notify", "--type", "JSON_MSG"] + arguments + ["--postgres-url", database])
            #expect(outcome.status == 0, "\(outcome.errors)")
            return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
        }

        func pending() async throws -> Int? {
            let outcome = try await BelfryProgram.run(["status", "--json", "--postgres-url", database])
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
            return object?["pending"] as? Int
        }
    }

    private func withServing(
        environment: [String: String], _ body: (Served) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("belfry-tail-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        defer { try? FileManager.default.removeItem(at: folder) }
        let postgres = try await PrivatePostgres.start(
            dataDirectory: folder.appendingPathComponent("postgres"), settings: ["fsync": "off"])
        let settings = ["BELFRY_POSTGRES_URL": postgres.url, "BELFRY_LISTEN": "127.0.0.1:0"]
            .merging(environment) { $1 }
        #expect(try await BelfryProgram.run(["migrate"], environment: settings).status == 0)
        let program = try BelfryProgram(["serve"], environment: settings)
        let port = try await eventually("the node listens") {
            program.errorText.firstMatch(of: /address=127\.0\.0\.1:(\d+).*The node is listening/).flatMap { Int($0.1) }
        }
        do {
            try await body(Served(port: port, database: postgres.url))
        } catch {
            program.terminate()
            await postgres.stop()
            throw error
        }
        program.terminate()
        #expect(await program.outcome().status == 0)
        await postgres.stop()
    }

    private func lines(_ program: BelfryProgram) -> [Substring] { program.outputText.split(separator: "\n") }

    /// Ends it as Ctrl-C does.
    private func end(_ program: BelfryProgram) async -> BelfryProgram.Outcome {
        kill(program.processIdentifier, SIGINT)
        return await program.outcome()
    }

    @Test func itShowsHistoryAndWhatArrivesAndChangesNothing() async throws {
        try await withServing(environment: ["BELFRY_AUTH": "dev"]) { served in
            var ids: [String] = []
            for number in 1...3 { ids.append(try await served.notify("--user", "alice", "--data", "\(number)")) }
            let text = try BelfryProgram(["tail", "--user", "alice", "--url", served.url, "--history", "2"])
            try await eventually("what waits is there") { lines(text).count >= 3 }
            ids.append(try await served.notify("--user", "alice", "--data", #"{"order":7}"#))
            try await eventually("a live one is there") { lines(text).count >= 4 }
            let ended = await end(text)
            #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended.errors)")
            // The last two of the history in their order, then what waits and was not among them, then live.
            let columns = lines(text).map { $0.split(separator: "\t").map(String.init) }
            #expect(columns.map { $0[1] } == [ids[1], ids[2], ids[0], ids[3]])
            #expect(columns.allSatisfy { $0[2] == "JSON_MSG" })
            #expect(columns.last?[3] == #"{"order":7}"#)
            #expect(columns.allSatisfy { $0[0].firstMatch(of: /^\d{4}-\d\d-\d\dT.*Z$/) != nil })

            #expect(try await served.pending() == 4, "all of it is still to be delivered")
            let json = try BelfryProgram(["tail", "--user", "alice", "--url", served.url, "--json", "--ack"])
            try await eventually("all are there again") { lines(json).count >= 4 }
            let object = try JSONSerialization.jsonObject(with: Data(lines(json)[3].utf8)) as? [String: Any]
            #expect(object?["id"] as? String == ids[3] && object?["receiver"] as? String == "alice")
            #expect(await end(json).status == 0)
            #expect(try await served.pending() == 0, "--ack acknowledges, and its end waits for the commit")
        }
    }

    @Test func itShowsTopicsToo() async throws {
        try await withServing(environment: ["BELFRY_AUTH": "dev"]) { served in
            let program = try BelfryProgram(
                ["tail", "--user", "alice", "--url", served.url, "--topic", "news", "--topic", "other"])
            // Subscriptions are made in no order: one that is there has shown what was sent to it.
            try await eventually("both topics are followed") {
                for topic in ["news", "other"] { _ = try await served.notify("--topic", topic, "--data", "1") }
                return ["news", "other"].allSatisfy { program.outputText.contains("/topic/\($0)") }
            }
            #expect(await end(program).status == 0)
        }
    }

    @Test func itMakesItsTokenWithTheSecretOrTakesOne() async throws {
        try await withServing(environment: ["BELFRY_JWT_SECRET": Self.secret]) { served in
            let settings = ["BELFRY_JWT_SECRET": Self.secret]
            let id = try await served.notify("--user", "alice", "--data", "1")
            let made = try BelfryProgram(["tail", "--user", "alice", "--url", served.url], environment: settings)
            try await eventually("it is let in") { made.outputText.contains("\t\(id)\t") }
            #expect(await end(made).status == 0)

            let token = try await BelfryProgram.run(["token", "--user", "alice"], environment: settings).output
                .trimmingCharacters(in: .whitespacesAndNewlines)
            let given = try BelfryProgram(["tail", "--token", token, "--url", served.url])
            try await eventually("it is let in") { given.outputText.contains("\t\(id)\t") }
            #expect(given.outputText.contains("redelivered"), "a session has been shown it")
            #expect(await end(given).status == 0)

            let others = try await BelfryProgram.run(["tail", "--user", "bob", "--token", token, "--url", served.url])
            #expect(others.status == 1)
            #expect(others.errors.contains("The token is that of 'alice', not of 'bob'."), "\(others.errors)")
            let none = try await BelfryProgram.run(["tail", "--user", "alice", "--url", served.url])
            #expect(none.status == 1 && none.output.isEmpty)
            #expect(none.errors.contains("The token was refused."), "\(none.errors)")
            #expect(none.errors.contains("set jwt.secret (BELFRY_JWT_SECRET)"), "\(none.errors)")
            let wrong = try await BelfryProgram.run(
                ["tail", "--user", "alice", "--url", served.url],
                environment: ["BELFRY_JWT_SECRET": String(repeating: "x", count: 40)])
            #expect(wrong.status == 1 && wrong.errors.contains("those of the node?"), "\(wrong.errors)")
        }
    }

    @Test func whatKeepsItFromConnectingIsSaidInASentence() async throws {
        let unreachable = try await BelfryProgram.run(["tail", "--user", "alice", "--url", "ws://127.0.0.1:1/ws"])
        #expect(unreachable.status == 1 && unreachable.output.isEmpty)
        #expect(
            unreachable.errors
                == "Error: The server at 127.0.0.1:1 cannot be reached: Connection refused. Is that a node's address "
                + "(--url ws://127.0.0.1:1/ws)?\n")
        let scheme = try await BelfryProgram.run(["tail", "--user", "alice", "--url", "http://127.0.0.1/ws"])
        #expect(scheme.status == 1 && scheme.errors.contains("does not begin with ws://"), "\(scheme.errors)")
        let secret = try await BelfryProgram.run(
            ["tail", "--user", "alice"], environment: ["BELFRY_JWT_SECRET": "short"])
        #expect(secret.status == 1 && secret.errors.contains("at least 32"), "\(secret.errors)")
    }

    /// A node has 1,000 in flight: what waits behind them is shown once they are out of the way.
    @Test func moreThanMayBeInFlightIsToldAndShownLater() async throws {
        try await withServing(environment: ["BELFRY_AUTH": "dev"]) { served in
            let database = try await PostgresConnection.connect(
                PostgresConfiguration(url: served.database, applicationName: "tests"))
            try await database.run(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'alice', 'JSON_MSG', to_jsonb(n) from generate_series(1, 1200) n
                """)
            let program = try BelfryProgram(["tail", "--user", "alice", "--url", served.url])
            try await eventually("it says that there is more") {
                program.errorText.contains("1000 messages wait for their acknowledgement")
            }
            #expect(lines(program).count == 1_000, "each is shown once, though they came twice")
            try await database.run("select belfry.cancel(id) from belfry.message_log where data <= '1000'")
            try await eventually("the others are shown", within: .seconds(40)) { lines(program).count == 1_200 }
            #expect(await end(program).status == 0)
            await database.close()
        }
    }

    @Test func itEndsWhenNobodyReadsItAnyMore() async throws {
        try await withServing(environment: ["BELFRY_AUTH": "dev"]) { served in
            for number in 1...3 { _ = try await served.notify("--user", "alice", "--data", "\(number)") }
            let shell = Process()
            shell.executableURL = URL(fileURLWithPath: "/bin/sh")
            shell.arguments = [
                "-c", "'\(BelfryProgram.path)' tail --user alice --url \(served.url) | head -n 1; echo gone",
            ]
            shell.environment = BelfryProgram.environment
            let pipe = Pipe()
            shell.standardOutput = pipe
            try shell.run()
            try await eventually("it has ended") {
                if shell.isRunning { _ = try await served.notify("--user", "alice", "--data", "9") }
                return !shell.isRunning
            }
            let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            #expect(text.split(separator: "\n").count == 2 && text.hasSuffix("gone\n"), "\(text)")
        }
    }
}
