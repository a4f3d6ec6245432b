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

    private static func faster(
        _ sessions: Int, _ audience: PushSubject.Audience, _ rate: (PushStand) async throws -> Double,
        _ start: (Int) async throws -> PushSubject
    ) async throws -> PushStand {
        var best: (stand: PushStand, rate: Double)?
        do {
            for threads in 1...2 {
                let stand = try await PushStand.connect(
                    try await start(threads), audience, sessions: sessions, threads: threads)
                let found: Double
                do {
                    found = try await rate(stand)
                } catch {
                    await stand.end()
                    // One that does not work with two threads is compared with one.
                    if best != nil, threads > 1 { break }
                    throw error
                }
                if let slower = best, slower.rate >= found {
                    await stand.end()
                } else {
                    await best?.stand.end()
                    best = (stand, found)
                }
            }
        } catch {
            await best?.stand.end()
            throw error
        }
        guard let best else { throw BenchError("No server could be measured.") }
        return best.stand
    }
}
