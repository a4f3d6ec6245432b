import Foundation
import HTTPPeer
import PrivateServers
import TestBasics
import Testing

@testable import BelfryCommands

/// `belfry trace`, `belfry watch` and spans, by the program itself.
@Suite(.serialized)
struct TraceCommandTests {
    private static let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    /// Runs `body` with a process that serves, and ends it; then `after`.
    private func withServing(
        environment: [String: String], _ body: (_ settings: [String: String], _ port: Int) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("belfry-trace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        defer { try? FileManager.default.removeItem(at: folder) }
        let postgres = try await PrivatePostgres.start(
            dataDirectory: folder.appendingPathComponent("postgres"), settings: ["fsync": "off"])
        let settings = [
            "BELFRY_POSTGRES_URL": postgres.url, "BELFRY_LISTEN": "127.0.0.1:0", "BELFRY_AUTH": "dev",
        ].merging(environment) { $1 }
        #expect(try await BelfryProgram.run(["migrate"], environment: settings).status == 0)
        let program = try BelfryProgram(["serve"], environment: settings)
        let port = try await eventually("the node listens") {
            program.errorText.firstMatch(of: /address=127\.0\.0\.1:(\d+).*The node is listening/).flatMap { Int($0.1) }
        }
        do {
            try await body(settings.filter { !$0.key.contains("OTEL") }, port)
        } catch {
            program.terminate()
            await postgres.stop()
            throw error
        }
        program.terminate()
        let outcome = await program.outcome()
        #expect(outcome.status == 0, "\(outcome.errors)")
        await postgres.stop()
    }

    private func run(_ arguments: [String], _ settings: [String: String]) async throws -> String {
        let outcome = try await BelfryProgram.run(arguments, environment: settings)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Has alice take and acknowledge everything that comes while `body` runs.
    private func whileAliceTakes(_ port: Int, _ body: () async throws -> Void) async throws {
        let tail = try BelfryProgram(["tail", "--user", "alice", "--url", "ws://127.0.0.1:\(port)/ws", "--ack"])
        try await body()
        kill(tail.processIdentifier, SIGINT)
        #expect(await tail.outcome().status == 0)
    }

    @Test func aTracedMessageIsToldOfByEveryProcess() async throws {
        let peer = try await HTTPPeer.start { _ in .answer(status: 200, body: "{}") }
        let otel = ["BELFRY_OTEL_ENDPOINT": peer.url(""), "BELFRY_OTEL_HEADERS": "api-key=hunter%202"]
        try await withServing(environment: otel) { settings, port in
            try await whileAliceTakes(port) {
                let headers = "{\"traceparent\":\"\(Self.traceparent)\"}"
                let id = try await run(
                    ["notify", "--user", "alice", "--type", "JSON_MSG", "--data", "1", "--headers", headers], settings)
                for part in [
                    "by the role postgres, application belfry", "picked up by the relay", "published by the relay",
                    "acknowledged by the session", "its answer is committed",
                ] {
                    try await eventually("\(part)") { try await run(["trace", id], settings).contains(part) }
                }
                let json = try await run(["trace", id, "--json"], settings)
                #expect(json.contains("\"traced\" : \"traceparent\"") && json.contains("\"hop\" : \"published\""))
            }
            try await eventually("the spans") {
                let bodies = peer.requests.map(\.body).joined()
                return bodies.contains("belfry.relay publish") && bodies.contains("belfry.node deliver")
            }
            #expect(peer.requests.allSatisfy { $0.field("api-key") == "hunter 2" })
        }
    }

    @Test func aWatchIsSetListedAndEnded() async throws {
        try await withServing(environment: ["BELFRY_TRACE_SAMPLE": "0"]) { settings, port in
            #expect(try await run(["watch"], settings).hasPrefix("Nothing is watched"))
            let set = try await run(["watch", "--user", "alice", "--for", "5m"], settings)
            #expect(set.hasPrefix("Watch 1 is set for 5m."))
            #expect(try await run(["watch"], settings).hasPrefix("1  user alice, for another 4 min, by postgres"))
            try await whileAliceTakes(port) {
                try await eventually("a message is traced", within: .seconds(30)) {
                    let id = try await run(
                        ["notify", "--user", "alice", "--type", "JSON_MSG", "--data", "1"], settings)
                    try await Task.sleep(for: .milliseconds(1_000))
                    return try await run(["trace", id, "--json"], settings).contains("\"traced\" : \"watch\"")
                }
            }
            #expect(try await run(["watch", "--end", "1"], settings) == "Watch 1 has ended.")
            let gone = try await BelfryProgram.run(["watch", "--end", "1"], environment: settings)
            #expect(gone.status == 1 && gone.errors.contains("There is no watch 1."))
            let both = try await BelfryProgram.run(
                ["watch", "--user", "a", "--type", "JSON_MSG"], environment: settings)
            #expect(both.status != 0 && both.errors.contains("Give one of"))
        }
    }

    @Test func whereNobodyTakesSpansTheLogSaysSoAndMessagesGo() async throws {
        let peer = try await HTTPPeer.start { _ in .answer(status: 404, body: "") }
        try await withServing(environment: ["BELFRY_OTEL_ENDPOINT": peer.url("/wrong")]) { settings, port in
            try await whileAliceTakes(port) {
                let headers = "{\"traceparent\":\"\(Self.traceparent)\"}"
                let id = try await run(
                    ["notify", "--user", "alice", "--type", "JSON_MSG", "--data", "1", "--headers", headers], settings)
                try await eventually("it is delivered") {
                    try await run(["trace", id], settings).contains("Delivered")
                }
            }
            try await eventually("a try") { peer.requests.contains { $0.path == "/wrong/v1/traces" } }
        }
    }

    @Test func anEndpointThatIsNoneStopsTheStartWithASentence() async throws {
        let outcome = try await BelfryProgram.run(
            ["config", "check", "serve"],
            environment: [
                "BELFRY_POSTGRES_URL": "postgresql://b@db/app", "BELFRY_AUTH": "dev",
                "BELFRY_OTEL_ENDPOINT": "http://c:4318?x=hunter2",
            ])
        #expect(outcome.status == 1)
        #expect((outcome.output + outcome.errors).contains("otel.endpoint (BELFRY_OTEL_ENDPOINT) is no base URL"))
        #expect(!(outcome.output + outcome.errors).contains("hunter2"))
    }
}
