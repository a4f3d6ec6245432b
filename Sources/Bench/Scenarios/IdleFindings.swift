import Foundation

/// What idle sessions cost, at growing numbers of them.
struct IdleFindings: Sendable {
    /// The number at which one process's descriptors no longer do.
    private static let most = 50_000

    private(set) var curves: [Curve] = []
    private(set) var notes: [String] = []
    /// Sessions → contender → per cent of a core, a value a window.
    private var processor: [Int: [String: [Double]]] = [:]
    private var memory: [Int: [String: Double]] = [:]

    /// Lets the crowds grow side by side, as idle ones do not disturb one another, and looks at them.
    static func measure(_ bench: Bench, _ crowds: [IdleCrowd], stages: [Int]) async throws -> IdleFindings {
        var findings = IdleFindings()
        let all = stages + (bench.isQuick ? [] : [most])
        var began: [String: UInt64] = [:]
        for stage in all {
            bench.progress("sessions: connecting up to \(stage)")
            for crowd in crowds {
                try await crowd.grow(to: stage)
                if stage == all.last { began[crowd.name] = MonotonicClock.nanoseconds }
            }
            bench.progress("sessions: looking at \(stage) idle ones")
            // What connecting has started is to end first: backlog reads, heart-beat timers.
            try await Task.sleep(for: .seconds(1))
            try await findings.look(crowds, stage, windows: stage >= 10_000 ? bench.rounds : 1)
        }
        bench.progress("sessions: ending them")
        try await findings.end(crowds, began)
        findings.draw(crowds.map(\.name), all)
        return findings
    }

    /// Windows as long as the period of heart-beats, so that each holds one beat of every session in each direction;
    /// they begin a second apart.
    private mutating func look(_ crowds: [IdleCrowd], _ stage: Int, windows: Int) async throws {
        var looks: [(at: UInt64, used: [(servers: Double, clients: Double)])] = []
        for second in 0..<IdleServer.heartBeatSeconds + windows {
            if second > 0 { try await Task.sleep(for: .seconds(1)) }
            looks.append((MonotonicClock.nanoseconds, try crowds.map { try $0.processorSeconds() }))
        }
        for (place, crowd) in crowds.enumerated() {
            for window in 0..<windows {
                let (first, last) = (looks[window], looks[window + IdleServer.heartBeatSeconds])
                let percent = 100 / (Double(last.at - first.at) / 1e9)
                processor[stage, default: [:]][crowd.name, default: []].append(
                    (last.used[place].servers - first.used[place].servers) * percent)
                guard window == windows - 1, stage >= 10_000 else { continue }
                let clients = Int(((last.used[place].clients - first.used[place].clients) * percent).rounded())
                notes.append(
                    "\(crowd.name), \(stage) sessions on \(crowd.serverCount) "
                        + "\(crowd.serverCount == 1 ? "process" : "processes"); the clients used \(clients) % of a core."
                )
            }
            memory[stage, default: [:]][crowd.name] = try crowd.memory()
        }
    }

    /// Ends the crowds; heart-beats must have come all the time.
    private func end(_ crowds: [IdleCrowd], _ began: [String: UInt64]) async throws {
        for crowd in crowds {
            let seconds = Double(MonotonicClock.nanoseconds - (began[crowd.name] ?? 0)) / 1e9
            let sessions = Double(crowd.sessions)
            let beats = try await crowd.end()
            let expected = sessions * seconds / Double(IdleServer.heartBeatSeconds)
            guard Double(beats) >= 0.7 * expected else {
                throw BenchError("\(crowd.name) sent \(beats) heart-beats; about \(Int(expected)) were due.")
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
