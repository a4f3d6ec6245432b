import DatabaseSupport
import Foundation
import NIOPosix
import PrivateServers
import RedisBus
import TestBasics
import Testing

@testable import BelfryCommands

/// What the doctor says of Redis, with what brings it about.
@Suite(.serialized)
struct DoctorRedisTests {
    private func with(_ body: (TestDatabase, PrivateRedis) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "belfry-doctor-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let redis = try await PrivateRedis.start(dataDirectory: folder, password: "hunter2")
        let database = try await TestServer.makeDatabase()
        do {
            try await body(database, redis)
        } catch {
            await redis.stop()
            throw error
        }
        await redis.stop()
    }

    private func examine(_ database: TestDatabase, _ redis: String) async -> DoctorReport {
        await Examination.of(database.operatorURL, settings: { $0.redisURL = redis })
    }

    private func command(_ redis: PrivateRedis, _ words: String...) async throws {
        let configuration = try RedisConfiguration(url: redis.url)
        let answers = try await RedisInspector.ask(
            [words], configuration, on: MultiThreadedEventLoopGroup.singleton.next())
        if case .refused(let text)? = answers.first { Issue.record("\(text)") }
    }

    @Test func aRedisThatIsAwayOrRefuses() async throws {
        try await with { database, redis in
            #expect(await examine(database, redis.url).has("redis", .ok))
            let wrong = await examine(database, redis.url.replacing("hunter2", with: "hunter3"))
            #expect(wrong.first("redis-away")?.sentence.contains("does not accept this user and password") == true)
            #expect(wrong.first("redis-away")?.sentence.contains("hunter3") == false)
            #expect(await examine(database, "http://nowhere").has("redis-away"))
            await redis.stop()
            let report = await examine(database, redis.url)
            #expect(report.has("redis-away", .warning) && report.has("roles", .ok))
        }
    }

    @Test func anOutputBufferThatIsSmall() async throws {
        try await with { database, redis in
            #expect(await !examine(database, redis.url).has("redis-output-buffer"))
            try await command(redis, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
            #expect(await examine(database, redis.url).has("redis-output-buffer", .warning))
        }
    }

    @Test func aReplica() async throws {
        try await with { database, redis in
            #expect(await !examine(database, redis.url).has("redis-replica"))
            try await command(redis, "REPLICAOF", "127.0.0.1", "1")
            #expect(await examine(database, redis.url).has("redis-replica", .warning))
        }
    }

    @Test func whatRedisDoesNotTell() async throws {
        try await with { database, redis in
            try await command(
                redis, "ACL", "SETUSER", "default", "-config", "-client|list", "-info", "-time", "-pubsub")
            let refuses = try #require(await examine(database, redis.url).first("redis-refuses"))
            #expect(refuses.severity == .note)
            for name in ["INFO", "CONFIG GET", "TIME", "CLIENT LIST", "PUBSUB CHANNELS"] {
                #expect(refuses.sentence.contains(name))
            }
            try await command(redis, "ACL", "SETUSER", "default", "-publish")
            #expect(await examine(database, redis.url).has("redis-publish-refused", .critical))
        }
    }

    @Test func anotherInstallationUnderThePrefix() async throws {
        try await with { database, redis in
            let own = try await database.installation().id
            let other = "0123456789abcdef0123456789abcdef"
            let program = Process()
            program.executableURL = URL(fileURLWithPath: "/usr/bin/redis-cli")
            program.arguments = [
                "-p", "\(redis.port)", "-a", "hunter2", "subscribe", "belfry:\(other):u:alice", "belfry:\(own):u:alice",
                "unrelated",
            ]
            program.standardOutput = FileHandle.nullDevice
            program.standardError = FileHandle.nullDevice
            try program.run()
            defer { program.terminate() }
            let finding = try await eventually("it is seen") {
                await examine(database, redis.url).first("redis-prefix-shared")
            }
            #expect(finding.severity == .note && finding.sentence.contains("1 other installation"))
            #expect(finding.sentence.contains(other) && !finding.sentence.contains("\(own)"))
        }
    }

    @Test func nodesAndARelayThatUseAnotherOne() async throws {
        try await with { database, redis in
            let application = try await Application.connect(database.url)
            try await application.run(
                """
                insert into belfry.node (id, host, pid, listen) values (gen_random_uuid(), 'node-1', 1, '0.0.0.0:8080');
                update belfry.relay_cursor set relay = 'relay-1', leader_seen_at = clock_timestamp()
                """)
            let report = await examine(database, redis.url)
            #expect(report.has("redis-without-nodes", .warning) && report.has("redis-without-relay", .warning))
            await application.close()
        }
    }

    @Test func judgesVersionsAndClocks() {
        var facts = RedisFacts()
        facts.version = "5.0.14"
        #expect(RedisJudge.findings(facts, nodes: 0, isLed: nil, prefix: "belfry:").map(\.code) == ["redis-version"])
        let clock = MachineJudge.clock(of: "Redis", ahead: -10, roundTrip: 0.1, DoctorThresholds())
        #expect(clock.code == "clocks-differ" && clock.sentence.contains("behind"))
        let slow = MachineJudge.clock(of: "Redis", ahead: 3, roundTrip: 4, DoctorThresholds())
        #expect(slow.code == "clocks", "what the way took is not known")
    }
}
