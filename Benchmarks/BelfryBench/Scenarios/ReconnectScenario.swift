import Foundation

/// 10,000 users come back at once, each with five undelivered messages; beside it PostgreSQL's own time for the same
/// queries.
struct ReconnectScenario: Scenario {
    let name = "reconnect"
    let summary = "10,000 users come back at once with 5 undelivered messages each, beside PostgreSQL's own time"

    /// Connections that are being made at any time: what a listening socket's queue takes without letting any wait a
    /// second for the kernel's next try.
    private static let greetingsMax = 1_000

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        context.progress("reconnect: starting PostgreSQL, Redis and belfry")
        let servers = try await ScenarioServers.start(context)
        do {
            let belfry = try await BelfryServer.start("serve", context, settings: servers.belfrySettings)
            do {
                let result = try await measure(context, servers, belfry)
                await belfry.stop()
                await servers.stop()
                return result
            } catch {
                await belfry.stop()
                throw error
            }
        } catch {
            await servers.stop()
            throw error
        }
    }

    private func measure(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ belfry: BelfryServer
    ) async throws -> ScenarioResult {
        context.progress("reconnect: writing \(ReconnectBacklog.count) messages")
        let backlog = try await ReconnectBacklog(servers.postgresURL)
        let node = try backlog.node()
        let users = (0..<ReconnectBacklog.users).map(ReconnectBacklog.user)
        let url = servers.postgresURL
        // The plans and caches of both are warm before the first round.
        _ = try await serve(context, belfry)
        try await backlog.restoreWhenClosed()
        var shares = ""
        let values = try await context.interleave(
            name,
            [
                (
                    Measure.belfry,
                    { _ in
                        let alone = try await connectAlone(belfry)
                        let served = try await serve(context, belfry)
                        try await backlog.restoreWhenClosed()
                        shares = served.shares
                        return [
                            "served": served.seconds, "connecting": alone, "beyond": served.seconds - alone,
                            "memory": served.peakMegabytes,
                            "before": served.megabytesBefore, "ready": served.secondsToReady,
                        ]
                    }
                ),
                (
                    "postgres",
                    { _ in
                        let seconds = try await ReconnectPostgres.read(
                            url, users: users, node: node, expecting: ReconnectBacklog.count)
                        try backlog.restoreWithoutSessions()
                        return ["served": seconds]
                    }
                ),
            ])
        try backlog.remove()
        return result(values, shares: shares)
    }

    // MARK: One round

    private struct Served {
        let seconds, secondsToReady, megabytesBefore, peakMegabytes: Double
        let shares: String
    }

    /// All connect, subscribe and receive; nobody acknowledges, and all leave.
    private func serve(_ context: ScenarioContext, _ belfry: BelfryServer) async throws -> Served {
        let arrivals = ReconnectArrivals()
        var configuration = SwarmConfiguration(
            port: belfry.port, count: ReconnectBacklog.users, greeting: .belfry(user: ReconnectBacklog.user))
        configuration.greetingsMax = Self.greetingsMax
        configuration.onMessage = { arrivals.received($0, $1, $2) }
        let before = Self.usage(context, belfry)
        let residentBefore = belfry.usage?.residentBytes ?? 0
        let peak = Task { await Self.peakResident(belfry) }
        defer { peak.cancel() }
        let began = MonotonicClock.nanoseconds
        let swarm = try await Swarm.start(configuration)
        do {
            try await swarm.wait(forReceived: ReconnectBacklog.count)
        } catch {
            await swarm.stop()
            throw error
        }
        let shares = Self.usage(context, belfry).shares(since: before)
        peak.cancel()
        let peakBytes = await peak.value
        try arrivals.check(await swarm.stop())
        guard let completion = arrivals.completion else { throw BenchmarkError("The last message has no time.") }
        return Served(
            seconds: Double(completion - began) / 1e9, secondsToReady: swarm.secondsToReady,
            megabytesBefore: Double(residentBefore) / 1e6, peakMegabytes: Double(peakBytes) / 1e6, shares: shares)
    }

    /// All connect and introduce themselves, but subscribe to nothing: what coming back costs without a backlog.
    private func connectAlone(_ belfry: BelfryServer) async throws -> Double {
        let greeting = SwarmGreeting(path: { _ in "/ws" }, subprotocol: "v12.stomp", framing: .stomp) { number in
            [
                SwarmGreeting.Step(
                    "CONNECT\naccept-version:1.2\nhost:127.0.0.1\nheart-beat:0,0\n"
                        + "Authorization:Bearer \(ReconnectBacklog.user(number))\n\n",
                    answer: "CONNECTED")
            ]
        }
        var configuration = SwarmConfiguration(port: belfry.port, count: ReconnectBacklog.users, greeting: greeting)
        configuration.greetingsMax = Self.greetingsMax
        let swarm = try await Swarm.start(configuration)
        await swarm.stop()
        // The node has dealt with the ends of these sessions before the next begin.
        try await Task.sleep(for: .milliseconds(500))
        return swarm.secondsToReady
    }

    private static func peakResident(_ belfry: BelfryServer) async -> Int {
        var peak = 0
        while !Task.isCancelled {
            peak = max(peak, belfry.usage?.residentBytes ?? 0)
            try? await Task.sleep(for: .milliseconds(10))
        }
        return peak
    }

    private static func usage(_ context: ScenarioContext, _ belfry: BelfryServer) -> CPUTimes {
        CPUTimes([
            ("belfry", belfry.usage?.cpuSeconds), ("PostgreSQL", CPUTimes.postgres(context)),
            ("Redis", CPUTimes.redis(context)), ("the load generator", ProcessUsage.own?.cpuSeconds),
        ])
    }

    // MARK: The result

    private func result(_ values: [String: [String: [Double]]], shares: String) -> ScenarioResult {
        let ours = values[Measure.belfry] ?? [:]
        let theirs = values["postgres"] ?? [:]
        let ready = Statistics.median(ours["ready"] ?? []) ?? 0
        let before = Statistics.median(ours["before"] ?? []) ?? 0
        return ScenarioResult(
            name,
            [
                Measure(
                    "until all are served", unit: "s",
                    [Contender(Measure.belfry, ours["served"] ?? []), Contender("postgres", theirs["served"] ?? [])],
                    targets: [Target(.atMost, 2, of: "postgres")]),
                Measure("connecting alone", unit: "s", [Contender(Measure.belfry, ours["connecting"] ?? [])]),
                Measure(
                    "beyond connecting", unit: "s",
                    [Contender(Measure.belfry, ours["beyond"] ?? []), Contender("postgres", theirs["served"] ?? [])]),
                Measure("peak memory of the node", unit: "MB", [Contender(Measure.belfry, ours["memory"] ?? [])]),
            ],
            notes: [
                "10,000 users with 5 messages of about 200 bytes each. Belfry's time runs from the first connect to "
                    + "the last message and holds 10,000 TCP connections, WebSocket handshakes, CONNECTs and SUBSCRIBEs"
                    + "; connecting alone leaves out SUBSCRIBE and all it leads to.",
                "PostgreSQL's own time is that of the node's statement, in the same batches of "
                    + "\(ReconnectPostgres.readsMax) users over \(ReconnectPostgres.connections) connections, from a "
                    + "client that throws the answers away.",
                String(
                    format: "The last receipt of a SUBSCRIBE came after %.2f s; the node had %.0f MB before.", ready,
                    before),
                "Of one core, while Belfry served: \(shares).",
            ])
    }
}
