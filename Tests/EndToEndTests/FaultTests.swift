import BelfryModel
import DatabaseSupport
import Foundation
import NIOConcurrencyHelpers
import Postgres
import PrivateServers
import TestBasics
import TestSupport
import Testing

/// Whatever process is killed, nothing is lost, nothing is invented, and each user's order is kept.
@Suite(.serialized) struct FaultTests {
    private static let users = 100
    private static let writers = 10

    @Test func tenThousandMessagesSurviveKilledRelaysAndNodes() async throws {
        let databaseURL = try await TestServer.makeDatabase().url
        let redis = try await TestServers.shared.sharedRedis()
        let environment = [
            "BELFRY_POSTGRES_URL": databaseURL, "BELFRY_REDIS_URL": redis.url, "BELFRY_AUTH": "dev",
            "BELFRY_REDIS_KEY_PREFIX": "fault:",
        ]
        let relays = try (0..<2).map {
            try BelfryProcess(["relay"], environment: environment, name: "fault-relay-\($0)")
        }
        let ports = [freePort(), freePort()]
        let nodes = try ports.map { port in
            try BelfryProcess(
                ["node", "--listen", "127.0.0.1:\(port)"], environment: environment, name: "fault-node-\(port)")
        }
        defer { (relays + nodes).forEach { $0.kill() } }
        let users = (0..<Self.users).map { PersistentUser("user\($0)", ports: ports, firstPort: $0) }
        let observer = try await Application.connect(databaseURL)

        async let written = Self.write(10_000, to: databaseURL)
        try await Self.killByTurns(relays: relays, nodes: nodes, observer: observer)
        let (committed, rolledBack) = try await written

        try await eventually("everything is delivered", within: .seconds(120)) {
            try await observer.value("select count(*) from belfry.outbox") == "0"
        }
        for user in users { await user.stop() }
        #expect(try await observer.value("select count(*) from belfry.message_log where status <> 'delivered'") == "0")
        for (index, user) in users.enumerated() {
            Self.check(user, committed: committed[index] ?? [], rolledBack: rolledBack)
        }
        await observer.close()
    }

    /// Three relays and two nodes, each killed while messages flow and started again.
    private static func killByTurns(
        relays: [BelfryProcess], nodes: [BelfryProcess], observer: Application
    ) async throws {
        for turn in 0..<3 {
            // Each kill falls into running traffic: a few hundred more messages are there first.
            let before = Int(try await observer.value("select count(*) from belfry.message_log") ?? "") ?? 0
            try await eventually("traffic flows", within: .seconds(60)) {
                (Int(try await observer.value("select count(*) from belfry.message_log") ?? "") ?? 0) > before + 800
            }
            let leader = try await observer.value("select relay from belfry.relay_cursor") ?? ""
            let victim =
                relays.first { relay in relay.processID.map { leader.contains(String($0)) } ?? false } ?? relays[0]
            victim.kill()
            if turn < 2 {
                nodes[turn].kill()
                try await Task.sleep(for: .milliseconds(500))
                try nodes[turn].start()
            }
            try victim.start()
        }
    }

    /// Ten writers, each with its own users, so that a user's transactions follow one another. Every seventh is rolled
    /// back.
    private static func write(
        _ count: Int, to databaseURL: String
    ) async throws -> (committed: [Int: [Int64]], rolledBack: Set<Int64>) {
        try await withThrowingTaskGroup(of: ([Int: [Int64]], Set<Int64>).self) { group in
            for writer in 0..<writers {
                group.addTask {
                    let application = try await Application.connect(databaseURL)
                    var committed: [Int: [Int64]] = [:]
                    var rolledBack: Set<Int64> = []
                    for number in 0..<(count / writers) {
                        let user = writer + writers * (number % (users / writers))
                        try await application.run("begin")
                        let id = try await application.notify("user\(user)", "\(number)")
                        if number % 7 == 3 {
                            try await application.run("rollback")
                            rolledBack.insert(id)
                            try await application.run("begin")
                            committed[user, default: []].append(
                                try await application.notify("user\(user)", "\(number)"))
                        } else {
                            committed[user, default: []].append(id)
                        }
                        try await application.run("commit")
                    }
                    await application.close()
                    return (committed, rolledBack)
                }
            }
            return try await group.reduce(into: ([:], [])) { all, part in
                all.0.merge(part.0) { $0 + $1 }
                all.1.formUnion(part.1)
            }
        }
    }

    private static func check(_ user: PersistentUser, committed: [Int64], rolledBack: Set<Int64>) {
        let arrivals = user.arrivals
        let seen = Set(arrivals.map(\.id))
        let missing = Set(committed).subtracting(seen)
        #expect(missing.isEmpty, "\(user.name) lacks \(missing.sorted().prefix(10))")
        let invented = seen.subtracting(committed)
        #expect(invented.isEmpty, "\(user.name) got \(invented.sorted().prefix(10)), which were not sent to it")
        #expect(seen.isDisjoint(with: rolledBack))

        var known: Set<Int64> = []
        var lastOfSession: [Int: Int64] = [:]
        var ofSession: [Int: Set<Int64>] = [:]
        for arrival in arrivals {
            // Order: in one session the ids of one writer's transactions rise.
            let last = lastOfSession[arrival.session] ?? 0
            #expect(arrival.id > last, "\(user.name) got \(arrival.id) after \(last) in session \(arrival.session)")
            lastOfSession[arrival.session] = arrival.id
            let isNewInSession = ofSession[arrival.session, default: []].insert(arrival.id).inserted
            #expect(isNewInSession, "\(user.name) got \(arrival.id) twice in session \(arrival.session)")
            if !known.insert(arrival.id).inserted {
                #expect(arrival.isRedelivered, "\(user.name) got \(arrival.id) again, and it was not marked")
            }
        }
    }
}
