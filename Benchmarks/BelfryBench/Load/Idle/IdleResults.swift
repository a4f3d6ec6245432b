import Foundation

/// What idle sessions cost, at growing numbers of them.
struct IdleResults: Sendable {
    /// The number at which one process's descriptors no longer do.
    private static let most = 50_000

    private(set) var curves: [Curve] = []
    private(set) var notes: [String] = []
    /// Sessions → contender → per cent of a core, a value a window.
    private var processor: [Int: [String: [Double]]] = [:]
    private var memory: [Int: [String: Double]] = [:]

    /// Lets the pools grow side by side, as idle ones do not disturb one another, and observes them.
    static func measure(
        _ context: ScenarioContext, _ pools: [IdleSessionPool], stages: [Int]
    ) async throws -> IdleResults {
        var results = IdleResults()
        let all = stages + (context.isQuick ? [] : [most])
        var began: [String: UInt64] = [:]
        for stage in all {
            context.progress("sessions: connecting up to \(stage)")
            for pool in pools {
                try await pool.grow(to: stage)
                if stage == all.last { began[pool.name] = MonotonicClock.nanoseconds }
            }
            context.progress("sessions: observing \(stage) idle ones")
            // What connecting has started is to end first: backlog reads, heart-beat timers.
            try await Task.sleep(for: .seconds(1))
            try await results.observe(pools, stage, windows: stage >= 10_000 ? context.rounds : 1)
        }
        context.progress("sessions: ending them")
        try await results.end(pools, began)
        results.draw(pools.map(\.name), all)
        return results
    }

    /// Windows as long as the period of heart-beats, so that each holds one beat of every session in each direction;
    /// they begin a second apart.
    private mutating func observe(_ pools: [IdleSessionPool], _ stage: Int, windows: Int) async throws {
        var readings: [(at: UInt64, used: [(servers: Double, clients: Double)])] = []
        for second in 0..<IdleServer.heartBeatSeconds + windows {
            if second > 0 { try await Task.sleep(for: .seconds(1)) }
            readings.append((MonotonicClock.nanoseconds, try pools.map { try $0.processorSeconds() }))
        }
        for (place, pool) in pools.enumerated() {
            for window in 0..<windows {
                let (first, last) = (readings[window], readings[window + IdleServer.heartBeatSeconds])
                let percent = 100 / (Double(last.at - first.at) / 1e9)
                processor[stage, default: [:]][pool.name, default: []].append(
                    (last.used[place].servers - first.used[place].servers) * percent)
                guard window == windows - 1, stage >= 10_000 else { continue }
                let clients = Int(((last.used[place].clients - first.used[place].clients) * percent).rounded())
                notes.append(
                    "\(pool.name), \(stage) sessions on \(pool.serverCount) "
                        + (pool.serverCount == 1 ? "process" : "processes")
                        + "; the clients used \(clients) % of a core.")
            }
            memory[stage, default: [:]][pool.name] = try pool.memory()
        }
    }

    /// Ends the pools; heart-beats must have come all the time.
    private func end(_ pools: [IdleSessionPool], _ began: [String: UInt64]) async throws {
        for pool in pools {
            let seconds = Double(MonotonicClock.nanoseconds - (began[pool.name] ?? 0)) / 1e9
            let sessions = Double(pool.sessions)
            let beats = try await pool.end()
            let expected = sessions * seconds / Double(IdleServer.heartBeatSeconds)
            guard Double(beats) >= 0.7 * expected else {
                throw BenchmarkError("\(pool.name) sent \(beats) heart-beats; about \(Int(expected)) were due.")
            }
        }
    }

    private mutating func draw(_ names: [String], _ stages: [Int]) {
        for name in names {
            let x = stages.map(Double.init)
            curves.append(
                Curve(
                    plot: "sessions-memory", name: name, xLabel: "sessions", yLabel: "resident memory, MB", x: x,
                    y: stages.map { (memory[$0]?[name] ?? 0) / 1_048_576 }))
            curves.append(
                Curve(
                    plot: "sessions-cpu", name: name, xLabel: "sessions", yLabel: "% of a core", x: x,
                    y: stages.map { Statistics.median(processor[$0]?[name] ?? []) ?? 0 }))
        }
    }

    /// Processor time at 10,000 and at the most.
    func measures(_ names: [String]) -> [Measure] {
        processor.keys.filter { $0 >= 10_000 }.sorted().map { stage in
            Measure(
                "CPU of \(stage) idle", unit: "%", names.map { Contender($0, processor[stage]?[$0] ?? []) },
                targets: stage == 10_000 ? [Target(.atMost, 2)] : [])
        }
    }
}
