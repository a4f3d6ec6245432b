import Foundation

/// What one contender measured in the runs of one scenario, in order.
public struct Contender: Sendable, Codable {
    /// Who it is: `belfry`, or the name of the floor or peer.
    public let name: String
    /// One value a run.
    public var samples: [Double]

    /// A contender with the values of its runs.
    public init(_ name: String, _ samples: [Double] = []) {
        self.name = name
        self.samples = samples
    }

    /// The middle of the runs; nil when there were none.
    public var median: Double? { Statistics.median(samples) }
}

/// What Belfry is to reach in a measure.
public struct Target: Sendable, Codable {
    /// Which side of the bound is right.
    public enum Relation: String, Sendable, Codable { case atMost, atLeast }

    public let relation: Relation
    /// The bound: a factor of the contender `of`, or a value in the measure's unit when `of` is nil.
    public let bound: Double
    /// The contender that is compared with.
    public let of: String?

    /// Belfry's median is to be at most, or at least, `bound` times that of the contender `of`, or `bound` itself.
    public init(_ relation: Relation, _ bound: Double, of contender: String? = nil) {
        self.relation = relation
        self.bound = bound
        self.of = contender
    }
}

/// One quantity, measured by Belfry and by those beside it in the same run.
public struct Measure: Sendable, Codable {
    /// The name of the contender that the targets speak of.
    public static let belfry = "belfry"

    /// What was measured, say `p50 at 1,000/s`.
    public let name: String
    /// `µs`, `/s`, `KB`, `%`, `s`, `MB`.
    public let unit: String
    public var contenders: [Contender]
    public let targets: [Target]

    /// A measure; Belfry comes first among the contenders.
    public init(_ name: String, unit: String, _ contenders: [Contender], targets: [Target] = []) {
        self.name = name
        self.unit = unit
        self.contenders = contenders
        self.targets = targets
    }

    /// The contender of this name.
    public subscript(name: String) -> Contender? { contenders.first { $0.name == name } }

    /// Belfry's median by the other's; nil when either has none or the other's is zero.
    public func ratio(to name: String) -> Double? {
        guard let ours = self[Self.belfry]?.median, let theirs = self[name]?.median, theirs != 0 else { return nil }
        return ours / theirs
    }

    /// Whether Belfry reached the target; nil when it could not be judged, as the peer was not there.
    public func reached(_ target: Target) -> Bool? {
        let value = if let other = target.of { ratio(to: other) } else { self[Self.belfry]?.median }
        return value.map { target.relation == .atMost ? $0 <= target.bound : $0 >= target.bound }
    }
}

/// A curve for a plot: `y` over `x`.
public struct Curve: Sendable, Codable {
    /// The plot it belongs to, say `latency`.
    public let plot: String
    /// What the line is called in the legend.
    public let name: String
    public let xLabel: String
    public let yLabel: String
    public let x: [Double]
    public let y: [Double]

    /// A line of as many points as `x` and `y` both have.
    public init(plot: String, name: String, xLabel: String, yLabel: String, x: [Double], y: [Double]) {
        self.plot = plot
        self.name = name
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.x = x
        self.y = y
    }
}

/// What one scenario found.
public struct ScenarioResult: Sendable, Codable {
    public let scenario: String
    public var measures: [Measure]
    /// Sentences that a reader of the figures needs: what was left out, how busy the load generator was.
    public var notes: [String]
    public var curves: [Curve]

    /// A scenario's result.
    public init(_ scenario: String, _ measures: [Measure] = [], notes: [String] = [], curves: [Curve] = []) {
        self.scenario = scenario
        self.measures = measures
        self.notes = notes
        self.curves = curves
    }
}

/// What `belfry bench --json` prints.
public struct BenchReport: Sendable, Codable {
    public let version: String
    public let machine: Machine
    public let startedAt: Date
    public let isQuick: Bool
    public var results: [ScenarioResult]

    /// An empty report of a run that begins now.
    public init(version: String, isQuick: Bool) {
        self.version = version
        self.machine = .current
        self.startedAt = Date()
        self.isQuick = isQuick
        self.results = []
    }
}
