/// The two sides of a comparison of pushing servers.
enum PushContenders {
    /// Starts Belfry and the peer, each with one thread and with two, and keeps the faster of each: on a machine of
    /// few cores a second thread may take what the load generator needs.
    ///
    /// - Parameter rate: a short run.
    static func start(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ audience: PushServer.Audience, sessions: Int,
        rate: (PushLoadTest) async throws -> Double
    ) async throws -> [PushLoadTest] {
        var kept: [PushLoadTest] = []
        do {
            kept.append(
                try await faster(sessions, audience, rate) { threads in
                    try await .belfry(context, servers, threads: threads, audience: audience)
                })
            if NchanServer.isInstalled {
                kept.append(
                    try await faster(sessions, audience, rate) { threads in
                        try await .nchan(context, threads: threads, audience: audience)
                    })
            } else if case .broadcast = audience {
                kept.append(try await PushLoadTest.connect(.bare(), audience, sessions: sessions, threads: 1))
            }
        } catch {
            for test in kept { await test.end() }
            throw error
        }
        return kept
    }

    /// What a reader must know about an absent peer.
    static func missing(_ tests: [PushLoadTest]) -> [String] {
        tests.contains { $0.server.name == "nchan" }
            ? [] : ["nchan is not installed and was left out: install the packages \(NchanServer.packages)."]
    }

    /// A second thread must bring more than noise to be kept.
    private static let gainMin = 1.1

    private static func faster(
        _ sessions: Int, _ audience: PushServer.Audience, _ rate: (PushLoadTest) async throws -> Double,
        _ start: (Int) async throws -> PushServer
    ) async throws -> PushLoadTest {
        let one = try await PushLoadTest.connect(try await start(1), audience, sessions: sessions, threads: 1)
        do {
            let two = try await PushLoadTest.connect(try await start(2), audience, sessions: sessions, threads: 2)
            do {
                var best = (one: 0.0, two: 0.0)
                for _ in 0..<2 {
                    best.one = max(best.one, try await rate(one))
                    best.two = max(best.two, try await rate(two))
                }
                let (kept, other) = best.two > Self.gainMin * best.one ? (two, one) : (one, two)
                await other.end()
                kept.forgetUsage()
                return kept
            } catch {
                await two.end()
                throw error
            }
        } catch {
            await one.end()
            throw error
        }
    }
}
