import BelfryModel
import DatabaseSupport
import STOMP
import TestBasics
import TestSupport
import Testing

/// The end of a node that others stand behind: seen by a load balancer, by its clients, and by PostgreSQL.
@Suite(.serialized) struct DrainTests {
    private static let users = 200
    private static let ready = "GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    @Test func aNodeThatIsGoingToStopSaysSoFirstAndServesOn() async throws {
        var limits = Limits()
        limits.drainPause = .seconds(2)
        try await Installation.with(limits: limits) { belfry in
            let early = try await belfry.connect("alice")
            try await early.subscribe("/user/queue/msg", receipt: "sub")
            #expect(try await RawHTTP.exchange(port: belfry.port, Self.ready).hasPrefix("HTTP/1.1 200 "))
            let stopping = Task { await belfry.nodes[0].service.stop() }
            try await eventually("it is not ready", within: .seconds(1)) {
                let answer = try await RawHTTP.exchange(port: belfry.port, Self.ready)
                return answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("This process is stopping.")
            }
            // Whoever comes meanwhile is served as ever.
            let late = try await belfry.connect("bob")
            try await late.subscribe("/user/queue/msg", receipt: "sub")
            let id = try await belfry.application.notify("bob")
            try await late.ack(try await late.nextMessage())
            #expect(!early.isEnded)
            for client in [early, late] {
                let error = try await client.next("ERROR")
                #expect(error.headers["retry-after"] == "1")
                #expect(try await client.ended() == 1012)
            }
            await #expect(throws: (any Error).self) { try await belfry.connect("carol") }
            await stopping.value
            #expect(try await belfry.application.status(id) == "delivered")
        }
    }

    /// A rolling restart of two nodes under traffic: every message arrives, what was acknowledged does not come again,
    /// and the clients of a node come back by and by.
    @Test func aRollingRestartLosesNothingAndSpreadsTheClients() async throws {
        let databaseURL = try await TestServer.makeDatabase().url
        let redis = try await TestServers.shared.sharedRedis()
        let environment = [
            "BELFRY_POSTGRES_URL": databaseURL, "BELFRY_REDIS_URL": redis.url, "BELFRY_AUTH": "dev",
            "BELFRY_REDIS_KEY_PREFIX": "drain:", "BELFRY_LIMITS_DRAIN_PAUSE": "300ms",
            "BELFRY_LIMITS_DRAIN_SPREAD": "5s",
        ]
        let relay = try BelfryProcess(["relay"], environment: environment, name: "drain-relay")
        let ports = [freePort(), freePort()]
        let nodes = try ports.map { port in
            try BelfryProcess(
                ["node", "--listen", "127.0.0.1:\(port)"], environment: environment, name: "drain-node-\(port)")
        }
        defer { ([relay] + nodes).forEach { $0.kill() } }
        let observer = try await Application.connect(databaseURL)
        try await eventually("both nodes are there", within: .seconds(60)) {
            try await observer.value("select count(*) from belfry.node") == "2"
        }
        let users = (0..<Self.users).map { PersistentUser("user\($0)", ports: ports, firstPort: $0) }
        try await connected(observer)

        let writing = Task {
            let application = try await Application.connect(databaseURL)
            var sent: [String: Set<Int64>] = [:]
            while !Task.isCancelled {
                let user = "user\(Int.random(in: 0..<Self.users))"
                sent[user, default: []].insert(try await application.notify(user))
            }
            await application.close()
            return sent
        }
        for node in nodes {
            #expect(node.terminate() == 0)
            try node.start()
            try await connected(observer)
        }
        writing.cancel()
        let sent = try await writing.value
        try await eventually("everything is delivered", within: .seconds(60)) {
            try await observer.value("select count(*) from belfry.outbox") == "0"
        }
        for user in users { await user.stop() }
        #expect(sent.values.map(\.count).reduce(0, +) > Self.users)
        for user in users {
            #expect(Set(user.arrivals.map(\.id)) == sent[user.name] ?? [], "\(user.name)")
            var known: Set<Int64> = []
            for arrival in user.arrivals where !known.insert(arrival.id).inserted { #expect(arrival.isRedelivered) }
            #expect(user.ends.allSatisfy { $0.code == 1012 }, "\(user.ends)")
        }
        Self.expectSpread(users.compactMap { $0.ends.first?.time })
        await observer.close()
    }

    /// Waits until all users have a session.
    private func connected(_ observer: Application) async throws {
        try await eventually("all users are connected", within: .seconds(60)) {
            try await observer.value(
                "select (sum(sessions) >= \(Self.users))::text from belfry.node "
                    + "where heartbeat_at > now() - interval '5 s'") == "true"
        }
    }

    /// Sessions of the first node end all over the time that is theirs, a hundred a second.
    private static func expectSpread(_ ends: [ContinuousClock.Instant]) {
        let times = ends.sorted()
        #expect(times.count >= users / 2)
        guard let first = times.first else { return }
        let half = Duration.milliseconds(5 * users / 2)
        let last = times.prefix(users / 2).last ?? first
        #expect(last - first > half / 2, "\(times.map { $0 - first })")
    }
}
