import BelfryModel
import Outbox

/// How many messages came and went in a second, lately; `nil` where nothing tells.
struct Rates {
    /// Over which they are taken: two reports of each process at least.
    private static let windowMilliseconds: Int64 = 35_000
    /// More than this in a second is no traffic but a sequence that was set forward, as after a restore.
    static let rateMax = 500_000.0

    let `in`: Double?
    let delivered: Double?

    /// - Parameter pulses: the oldest first.
    init(_ pulses: [Pulse]) {
        let end = pulses.last?.at ?? 0
        let recent = pulses.filter { $0.at > end - Self.windowMilliseconds }
        guard let first = recent.first, let last = recent.last else {
            (self.in, delivered) = (nil, nil)
            return
        }
        let span = Double(last.at - first.at) / 1_000
        let highest = recent.map(\.lastID).max() ?? 0
        self.in = span >= 1 ? Self.rate(highest - first.lastID, span) : nil
        delivered = Self.delivered(recent)
    }

    static func rate(_ ids: Int64, _ seconds: Double) -> Double? {
        let rate = Double(max(0, ids)) / seconds
        return rate <= rateMax ? rate : nil
    }

    /// Of all processes together: what each says is a rate of its own.
    static func delivered(_ pulses: [Pulse]) -> Double {
        Dictionary(grouping: pulses, by: \.processID).values.reduce(0) { sum, pulses in
            let seconds = pulses.reduce(0) { $0 + $1.seconds }
            return sum + (seconds > 0 ? Double(pulses.reduce(0) { $0 + $1.delivered }) / seconds : 0)
        }
    }
}

/// What all processes said over some time, in steps.
struct OperatorSeries: Encodable {
    private static let stepMilliseconds: Int64 = 10_000

    private struct Point: Encodable {
        let at: Int64
        let `in`: Double?
        let delivered: Double
        let pending: Int64?
        let parked: Int64?
        let lag: Double?
        let sessions: Int64
        let p50: Levels
        let p99: Levels

        private enum CodingKeys: String, CodingKey {
            case at, `in`, delivered, pending, parked, lag, sessions, p50, p99
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(at, forKey: .at)
            try container.encode(self.in, forKey: .in)
            try container.encode(delivered, forKey: .delivered)
            try container.encode(pending, forKey: .pending)
            try container.encode(parked, forKey: .parked)
            try container.encode(lag, forKey: .lag)
            try container.encode(sessions, forKey: .sessions)
            try container.encode(p50, forKey: .p50)
            try container.encode(p99, forKey: .p99)
        }
    }

    private struct Levels: Encodable {
        let published: Double?
        let arrived: Double?
        let acknowledged: Double?

        private enum CodingKeys: String, CodingKey { case published, arrived, acknowledged }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(published, forKey: .published)
            try container.encode(arrived, forKey: .arrived)
            try container.encode(acknowledged, forKey: .acknowledged)
        }
    }

    private let step = Self.stepMilliseconds
    private let from: Int64?
    private let points: [Point]

    /// - Parameter pulses: the oldest first.
    init(_ pulses: [Pulse]) {
        let steps = Dictionary(grouping: pulses) { $0.at / Self.stepMilliseconds }.sorted { $0.key < $1.key }
        var points: [Point] = []
        var before: (at: Int64, lastID: Int64)?
        for (number, pulses) in steps {
            let newest = pulses.max { $0.lastID < $1.lastID }
            let rate = before.flatMap { before -> Double? in
                guard let newest, newest.at > before.at else { return nil }
                return Rates.rate(newest.lastID - before.lastID, Double(newest.at - before.at) / 1_000)
            }
            if let newest { before = (newest.at, newest.lastID) }
            // The leader's; of two, which there are when one takes over, the later.
            let leader = pulses.last { $0.pending != nil }
            let latest = Dictionary(grouping: pulses, by: \.processID).compactMap(\.value.last)
            let latency = OperatorOverview.Latency(pulses)
            points.append(
                Point(
                    at: number * Self.stepMilliseconds, in: rate,
                    delivered: Rates.delivered(pulses),
                    pending: leader?.pending, parked: leader?.parked, lag: leader?.lagSeconds,
                    sessions: latest.reduce(0) { $0 + ($1.sessions ?? 0) },
                    p50: Levels(
                        published: latency.published.p50, arrived: latency.arrived.p50,
                        acknowledged: latency.acknowledged.p50),
                    p99: Levels(
                        published: latency.published.p99, arrived: latency.arrived.p99,
                        acknowledged: latency.acknowledged.p99)))
        }
        self.points = points
        from = points.first?.at
    }
}
