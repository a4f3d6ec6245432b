import DatabaseSupport
import Foundation
import Glibc
import TestBasics
import TestSupport
import Testing

/// A process that is stopped, not killed, keeps its connections and its place in the cursor's row: it must not
/// keep the relay's work as well.
@Suite(.serialized) struct HungLeaderTests {
    @Test func aStandbyReplacesALeaderThatHangs() async throws {
        let databaseURL = try await TestServer.makeDatabase().url
        let redis = try await TestServers.shared.sharedRedis()
        let environment = [
            "BELFRY_POSTGRES_URL": databaseURL, "BELFRY_REDIS_URL": redis.url, "BELFRY_REDIS_KEY_PREFIX": "hung:",
        ]
        let relays = try (0..<2).map {
            try BelfryProcess(["relay"], environment: environment, name: "hung-relay-\($0)")
        }
        defer { relays.forEach { $0.kill() } }
        let application = try await Application.connect(databaseURL)
        func leader() async throws -> BelfryProcess? {
            let name = try await application.value(
                "select relay from belfry.relay_cursor where leader_seen_at > now() - interval '2 seconds'")
            return relays.first { relay in relay.processID.map { name?.contains("/\($0)/") == true } ?? false }
        }
        let first = try await eventually("a relay leads") { try await leader() }
        let stopped = try #require(first.processID)
        kill(stopped, SIGSTOP)
        defer { kill(stopped, SIGCONT) }
        // Only a leader releases what was held back.
        let id = try await application.value(
            """
            insert into belfry.message_log (receiver, type, not_before)
            values ('alice', 'JSON_MSG', now() + interval '1 second') returning id
            """)
        try await eventually("the other relay leads and releases message \(id ?? "")", within: .seconds(30)) {
            let released = try await application.value("select count(*) from belfry.outbox where not_before is null")
            let now = try await leader()
            return released == "1" && now != nil && now !== first
        }
        // The first one wakes up superseded, and stands by.
        kill(stopped, SIGCONT)
        try await eventually("there is one leader, and not the old one") { try await leader() !== first }
        await application.close()
    }
}
