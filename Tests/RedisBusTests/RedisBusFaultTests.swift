import BelfryModel
import Bus
import BusConformance
import Foundation
import NIOCore
import Synchronization
import Testing

@testable import RedisBus

@Suite(.serialized)
struct RedisBusFaultTests {
    private let alice = Address.user("alice")

    private func publishError(_ underTest: BusUnderTest) async -> BusError? {
        do {
            try await underTest.publish(["x"], to: .topic("nobody"))
            return nil
        } catch {
            return error as? BusError
        }
    }

    @Test func aRestartOfRedisIsSurvived() async throws {
        try await RedisTestServer.run { server in
            let log = CapturedLog()
            let changes = Mutex<[String]>([])
            let bus = try server.bus(log: log) { change in
                changes.withLock { $0.append("\(change.role.rawValue) \(change.isConnected)") }
            }
            try await until("the publisher is connected") { bus.isConnected }
            let underTest = BusUnderTest(bus: bus, loops: RedisTestServer.loops)
            let listeners = [underTest.listener(on: 0), underTest.listener(on: 1)]
            let addresses = [alice] + (0..<1_500).map { .topic("\($0)") }
            for listener in listeners { try await listener.subscribe(all: addresses) }
            server.redis.kill()
            for listener in listeners {
                try await until("the outage is told") { listener.count(of: .disconnected) == 1 }
            }
            try await until("the publisher is disconnected") { !bus.isConnected }
            let error = await publishError(underTest)
            #expect(error?.code == .unavailable)
            try await listeners[0].onLoop { $0.subscribe(.user("bob")) }
            try await server.redis.restart()
            for listener in listeners {
                try await until("everything is subscribed again") {
                    listener.count(of: .connected) == 2
                        && listener.events.count { if case .subscribed = $0 { true } else { false } } >= 3_002
                }
            }
            try await until("the publisher is connected again") { bus.isConnected }
            try await underTest.publish(["after"], to: alice)
            try await underTest.publish(["new"], to: .user("bob"))
            for listener in listeners { try await listener.waitForMessages(1, for: alice) }
            try await listeners[0].waitForMessages(1, for: .user("bob"))
            #expect(log.lines(.warning).count == 3, "\(log.lines(.warning))")
            #expect(log.lines(.info).count == 6, "\(log.lines(.info))")
            let counts = changes.withLock { $0.reduce(into: [:]) { $0[$1, default: 0] += 1 } }
            #expect(
                counts
                    == [
                        "publisher true": 2, "publisher false": 1, "subscriber true": 4, "subscriber false": 2,
                    ])
        }
    }

    @Test func aServerThatAnswersNoMoreIsNoticed() async throws {
        try await RedisTestServer.run { server in
            let underTest = try await server.underTest()
            let listener = underTest.listener()
            try await listener.subscribe(alice)
            let pid = try server.pid()
            server.signal(SIGSTOP, pid: pid)
            defer { server.signal(SIGCONT, pid: pid) }
            let start = ContinuousClock.now
            let error = await publishError(underTest)
            #expect(error?.code == .unavailable)
            #expect(ContinuousClock.now - start < .seconds(5))
            try await until("the subscriber notices, too") { listener.count(of: .disconnected) == 1 }
            server.signal(SIGCONT, pid: pid)
            try await until("it is subscribed again") { listener.count(of: .subscribed(alice)) == 2 }
            try await until("publishing works again") { await publishError(underTest) == nil }
            try await underTest.publish(["after"], to: alice)
            try await listener.waitForMessages(1, for: alice)
        }
    }

    @Test func aQuietConnectionThatIsAliveIsKept() async throws {
        try await RedisTestServer.run { server in
            let listener = try await server.underTest().listener()
            let idle = try await server.underTest().listener()
            try await listener.subscribe(alice)
            try await until("several probes have been answered") {
                let statistics = (try? server.cli("INFO", "commandstats")) ?? ""
                let line = statistics.split(whereSeparator: \.isNewline).first { $0.hasPrefix("cmdstat_ping:calls=") }
                let calls = line?.dropFirst("cmdstat_ping:calls=".count).prefix { $0.isNumber } ?? ""
                return (Int(calls) ?? 0) >= 12
            }
            #expect(listener.count(of: .disconnected) == 0)
            #expect(idle.count(of: .disconnected) == 0)
        }
    }

    @Test func aBatchUnderWayFailsWithItsConnection() async throws {
        try await RedisTestServer.run { server in
            let bus = try server.bus(patient: true)
            try await until("the publisher is connected") { bus.isConnected }
            let underTest = BusUnderTest(bus: bus, loops: RedisTestServer.loops)
            server.signal(SIGSTOP, pid: try server.pid())
            async let error = publishError(underTest)
            server.redis.kill()
            #expect(await error?.code == .unavailable)
        }
    }

    @Test func aSubscriberThatRedisCutsOffComesBack() async throws {
        try await RedisTestServer.run { server in
            let underTest = try await server.underTest()
            let listener = underTest.listener()
            try await listener.subscribe(alice)
            try server.cli("CONFIG", "SET", "client-output-buffer-limit", "pubsub 64kb 0 0")
            let large = BusPublication(address: alice, envelope: ByteBuffer(repeating: 1, count: 4 * 1024 * 1024))
            try await underTest.bus.publish([large])
            try await until("it is cut off and subscribed again") {
                listener.count(of: .disconnected) == 1 && listener.count(of: .subscribed(alice)) == 2
            }
            try await underTest.publish(["after"], to: alice)
            try await until("the next message comes") { listener.texts(for: alice).last == "after" }
        }
    }

    @Test func aClosedConnectionIsMadeAgain() async throws {
        try await RedisTestServer.run { server in
            let underTest = try await server.underTest()
            let listener = underTest.listener()
            try await listener.subscribe(alice)
            try server.cli("CLIENT", "KILL", "TYPE", "pubsub")
            try await until("it is subscribed again") { listener.count(of: .subscribed(alice)) == 2 }
            try server.cli("CLIENT", "KILL", "TYPE", "normal")
            try await until("publishing works again") { await publishError(underTest) == nil }
        }
    }

    @Test func redisMayComeLater() async throws {
        try await RedisTestServer.run { server in
            server.redis.kill()
            let log = CapturedLog()
            let bus = try server.bus(log: log)
            let underTest = BusUnderTest(bus: bus, loops: RedisTestServer.loops)
            let listener = underTest.listener()
            try await listener.onLoop { $0.subscribe(.user("alice")) }
            try await until("both have tried") { log.lines(.warning).count == 2 }
            let error = await publishError(underTest)
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("127.0.0.1:\(server.redis.port)") == true)
            #expect(error?.message.contains("Connection refused") == true, "\(error?.message ?? "")")
            #expect(listener.events.isEmpty)
            try await server.redis.restart()
            try await listener.subscribe(alice)
            try await until("the publisher is connected") { bus.isConnected }
            try await underTest.publish(["1"], to: alice)
            try await listener.waitForMessages(1, for: alice)
            #expect(log.lines(.warning).count == 2, "\(log.lines(.warning))")
        }
    }

    @Test func aBusCanBeClosedWhileRedisIsAway() async throws {
        try await RedisTestServer.run { server in
            let underTest = try await server.underTest()
            let listener = underTest.listener()
            try await listener.subscribe(alice)
            server.redis.kill()
            try await until("the outage is told") { listener.count(of: .disconnected) == 1 }
            await underTest.bus.close()
            let error = await publishError(underTest)
            #expect(error?.code == .closed)
        }
    }
}
