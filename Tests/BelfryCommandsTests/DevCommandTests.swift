import Foundation
import TestBasics
import Testing

@testable import BelfryCommands

/// `belfry dev` from its start to its end, and the commands for the operator beside it.
@Suite(.serialized)
struct DevCommandTests {
    /// A folder that PostgreSQL's user can reach, too.
    private static func makeFolder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("belfry-dev-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        return folder
    }

    private func listeningPort(of program: BelfryProgram) -> Int? {
        program.outputText.firstMatch(of: /http:\/\/127\.0\.0\.1:(\d+)\//).flatMap { Int($0.1) }
    }

    private func url(of program: BelfryProgram, user: String) throws -> String {
        let found = program.outputText.split(whereSeparator: { "'\n".contains($0) }).first {
            $0.hasPrefix("postgresql://\(user)@")
        }
        return String(try #require(found))
    }

    @Test(arguments: [[], ["--no-redis"]] as [[String]])
    func everythingStartsAndEnds(options: [String]) async throws {
        let folder = try Self.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = try BelfryProgram(["dev", "--listen", "127.0.0.1:0"] + options, folder: folder)
        let isReady = await isEventually { program.outputText.contains("Ctrl-C") }
        #expect(isReady, "\(program.errorText)")
        let port = try #require(listeningPort(of: program))

        #expect(await HTTPClient.get("/health/live", port: port)?.status == 200)
        let names = options.isEmpty ? ["postgres", "redis", "listen"] : ["postgres", "listen"]
        let isHealthy = await isEventually {
            let ready = await HTTPClient.get("/health/ready", port: port)
            return names.allSatisfy { ready?.body.contains("\"\($0)\":{\"state\":\"up\"}") == true }
        }
        #expect(isHealthy)
        #expect(await HTTPClient.get("/metrics", port: port)?.body.contains("# TYPE belfry_sessions gauge") == true)
        #expect(await HTTPClient.get("/dev/info", port: port)?.body.contains("app@127.0.0.1") == true)

        try await notifyReplayStatus(program)

        program.terminate()
        let outcome = await program.outcome()
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(await HTTPClient.get("/health/live", port: port) == nil)
        #expect(!FileManager.default.fileExists(atPath: folder.appendingPathComponent(".dev").path))
        let database = try await BelfryProgram.run(["status", "--postgres-url", try url(of: program, user: "operator")])
        #expect(database.status == 1)
    }

    private func notifyReplayStatus(_ program: BelfryProgram) async throws {
        let application = ["--postgres-url", try url(of: program, user: "app")]
        let operators = ["--postgres-url", try url(of: program, user: "operator")]

        let sent = try await BelfryProgram.run(
            ["notify", "--user", "alice", "--type", "JSON_MSG", "--data", #"{"hello":"world"}"#] + application)
        let id = sent.output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(sent.status == 0 && Int(id) != nil, "\(sent.errors)")
        let later = try await BelfryProgram.run(
            ["notify", "--topic", "news", "--type", "STRING_MSG", "--data", "\"x\"", "--not-before", "1h"] + application
        )
        #expect(later.status == 0, "\(later.errors)")

        let unknown = try await BelfryProgram.run(
            ["notify", "--user", "alice", "--type", "JSON_MSX", "--data", "1"] + application)
        #expect(unknown.status == 1 && unknown.errors.contains("JSON_MSX"))
        #expect(unknown.errors.split(separator: "\n").count == 1, "\(unknown.errors)")
        let forbidden = try await BelfryProgram.run(["replay", "--user", "alice"] + application)
        #expect(forbidden.status == 1)

        let status = try await BelfryProgram.run(["status", "--json"] + operators)
        let object = try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]
        #expect(object?["pending"] as? Int == 2, "\(status.output) \(status.errors)")
        #expect(object?["sessions"] as? Int == 0)
        let text = try await BelfryProgram.run(["status", "--by-type"] + operators)
        #expect(text.output.contains("pending   2"), "\(text.output)")
        #expect(text.output.contains("1 held back") && text.output.contains("JSON_MSG"))

        let dry = try await BelfryProgram.run(["replay", "--user", "alice", "--dry-run"] + operators)
        #expect(dry.output.hasPrefix("\(id)\tpending\tpublish again\n"), "\(dry.output) \(dry.errors)")
        #expect(dry.errors == "1 message would be delivered again.\n")
        let replayed = try await BelfryProgram.run(
            ["replay", "--id", id, "999", "--since", "1h", "--type", "JSON_MSG"] + operators)
        #expect(replayed.status == 0, "\(replayed.errors)")
        #expect(replayed.output.contains("999\t–\tskip"), "\(replayed.output)")

        let exported = try await BelfryProgram.run(["export", "--user", "alice", "--since", "1h"] + operators)
        #expect(exported.errors == "1 message was written.\n")
        #expect(exported.output.hasPrefix(#"{"id" : "\#(id)""#), "\(exported.output)")
        let none = try await BelfryProgram.run(["export", "--until", "1d", "--format", "csv"] + operators)
        #expect(none.errors == "0 messages were written.\n" && none.output.hasPrefix("id,receiver,"))
        try await replayAsJob(id, operators, application)
        try await trace(id, operators)
    }

    private func trace(_ id: String, _ operators: [String]) async throws {
        let traced = try await BelfryProgram.run(["trace", id] + operators)
        #expect(
            traced.output.hasPrefix("\(id)  It was published and waits for alice to come"),
            "\(traced.output) \(traced.errors)")
        let document = try await BelfryProgram.run(["trace", "999", "--json"] + operators)
        let object = try JSONSerialization.jsonObject(with: Data(document.output.utf8)) as? [String: Any]
        #expect(object?["place"] as? String == "unknown" && object?["id"] as? String == "999", "\(document.output)")
    }

    private func replayAsJob(_ id: String, _ operators: [String], _ application: [String]) async throws {
        let criteria = ["replay", "--job", "--user", "alice"]
        let dry = try await BelfryProgram.run(criteria + ["--dry-run"] + operators)
        #expect(
            dry.output == "1 message would be delivered again, at 500 a second in 1 s.\nThe first: \(id)\n",
            "\(dry.output) \(dry.errors)")
        let forbidden = try await BelfryProgram.run(criteria + application)
        #expect(forbidden.status == 1 && forbidden.output.isEmpty)

        let followed = try await BelfryProgram.run(criteria + ["--follow", "--rate", "5"] + operators)
        #expect(followed.status == 0 && followed.output == "1\n", "\(followed.errors)")
        #expect(followed.errors.hasSuffix("job 1: 100%, 1 queued, done\n"), "\(followed.errors)")
        let shown = try await BelfryProgram.run(["jobs", "show", "1", "--json"] + operators)
        let object = try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any]
        #expect(object?["queued"] as? Int == 1 && object?["createdBy"] as? String == "operator", "\(shown.output)")

        // One that has nothing to do for a minute: whoever follows it may go, and it goes on.
        let many = ["notify", "--user", "bob", "--type", "JSON_MSG", "--data", "1"] + application
        for _ in 1...3 { #expect(try await BelfryProgram.run(many).status == 0) }
        let follower = try BelfryProgram(
            ["replay", "--job", "--user", "bob", "--rate", "1", "--follow"] + operators)
        let isFollowed = await isEventually { follower.errorText.contains("job 2: ") }
        #expect(isFollowed)
        follower.terminate()
        let left = await follower.outcome()
        #expect(
            left.status == 0 && left.errors.contains("belfry jobs pause 2, belfry jobs cancel 2."), "\(left.errors)")
        let paused = try await BelfryProgram.run(["jobs", "pause", "2"] + operators)
        #expect(paused.output.hasPrefix("2\tpaused\t") || paused.errors.contains("Job 2 is done"), "\(paused.errors)")
        let listed = try await BelfryProgram.run(["jobs"] + operators)
        #expect(listed.output.split(separator: "\n").map { $0.prefix(2) } == ["2\t", "1\t"], "\(listed.output)")
        let over = try await BelfryProgram.run(["jobs", "cancel", "1"] + operators)
        #expect(over.status == 1 && over.errors.contains("Job 1 is done and cannot be cancelled."), "\(over.errors)")
        let unknown = try await BelfryProgram.run(["jobs", "show", "9"] + operators)
        #expect(unknown.status == 1 && unknown.errors.contains("There is no job 9."))
    }

    @Test func aNamedFolderIsKeptAndUsedAgain() async throws {
        let folder = try Self.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        for round in 1...2 {
            let program = try BelfryProgram(
                ["dev", "--no-redis", "--listen", "127.0.0.1:0", "--data", "kept"], folder: folder)
            let isReady = await isEventually { program.outputText.contains("Ctrl-C") }
            #expect(isReady, "\(program.errorText)")
            #expect(program.outputText.contains("kept, kept"))
            let sent = try await BelfryProgram.run([
                "notify", "--user", "alice", "--type", "JSON_MSG", "--data", "1", "--postgres-url",
                try url(of: program, user: "app"),
            ])
            #expect(sent.output == "\(round)\n", "\(sent.errors)")
            program.terminate()
            #expect(await program.outcome().status == 0)
            #expect(FileManager.default.fileExists(atPath: folder.appendingPathComponent("kept/postgres").path))
        }
    }

    @Test func aPortInUseIsNamed() async throws {
        let folder = try Self.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let first = try BelfryProgram(
            ["dev", "--no-redis", "--listen", "127.0.0.1:0", "--data", "one"], folder: folder)
        #expect(await isEventually { first.outputText.contains("Ctrl-C") })
        let port = try #require(listeningPort(of: first))
        let second = try BelfryProgram(
            ["dev", "--no-redis", "--listen", "127.0.0.1:\(port)", "--data", "two"], folder: folder)
        let outcome = await second.outcome()
        #expect(outcome.status == 1)
        #expect(
            outcome.errors.contains("Can't listen on 127.0.0.1:\(port), which is in use already"), "\(outcome.errors)")
        let third = try BelfryProgram(
            ["dev", "--no-redis", "--listen", "127.0.0.1:0", "--stomp", "127.0.0.1:\(port)", "--data", "two"],
            folder: folder)
        let stomp = await third.outcome().errors
        #expect(stomp.contains("127.0.0.1:\(port), which is in use") && stomp.contains("(--stomp)"), "\(stomp)")
        first.terminate()
        #expect(await first.outcome().status == 0)
        let nowhere = try BelfryProgram(
            ["dev", "--no-redis", "--listen", "nowhere.invalid:1", "--dev-beyond-loopback", "--data", "two"],
            folder: folder)
        let error = await nowhere.outcome().errors
        #expect(error.contains("Can't listen on nowhere.invalid:1: no such host is known."), "\(error)")
    }

    @Test func aSignalDuringTheStartLeavesNothingBehind() async throws {
        let folder = try Self.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = try BelfryProgram(["dev", "--listen", "127.0.0.1:0"], folder: folder)
        #expect(
            await isEventually { FileManager.default.fileExists(atPath: folder.appendingPathComponent(".dev").path) })
        program.terminate()
        #expect(await program.outcome().status == 0)
        #expect(!FileManager.default.fileExists(atPath: folder.appendingPathComponent(".dev").path))
    }
}
