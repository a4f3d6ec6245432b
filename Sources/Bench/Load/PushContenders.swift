/// The two sides of a comparison of pushing servers.
enum PushContenders {
    /// Starts Belfry and the peer, each with one thread and with two, and keeps the faster of each: on a machine of
    /// few cores a second thread may take what the load generator needs.
    ///
    /// - Parameter rate: a short run.
    static func start(
        _ bench: Bench, _ servers: BenchServers, _ audience: PushSubject.Audience, sessions: Int,
        rate: (PushStand) async throws -> Double
    ) async throws -> [PushStand] {
        var kept: [PushStand] = []
        do {
            kept.append(
                try await faster(sessions, audience, rate) { threads in
                    try await .belfry(bench, servers, threads: threads, audience: audience)
                })
            if NchanServer.isInstalled {
                kept.append(
                    try await faster(sessions, audience, rate) { threads in
                        try await .nchan(bench, threads: threads, audience: audience)
                    })
            } else if case .everybody = audience {
                kept.append(try await PushStand.connect(.bare(), audience, sessions: sessions, threads: 1))
            }
        } catch {
            for stand in kept { await stand.end() }
            throw error
        }
        return kept
    }

    /// What a reader must know about an absent peer.
    static func missing(_ stands: [PushStand]) -> [String] {
        stands.contains { $0.subject.name == "nchan" }
            ? [] : ["nchan is not installed and was left out: install the packages \(NchanServer.packages)."]
    }

    /// A second thread must bring more than noise to be kept.
    private static let gainMin = 1.1

    private static func faster(
        _ sessions: Int, _ audience: PushSubject.Audience, _ rate: (PushStand) async throws -> Double,
        _ start: (Int) async throws -> PushSubject
    ) async throws -> PushStand {
        let one = try await PushStand.connect(try await start(1), audience, sessions: sessions, threads: 1)
        do {
            let two = try await PushStand.connect(try await start(2), audience, sessions: sessions, threads: 2)
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
