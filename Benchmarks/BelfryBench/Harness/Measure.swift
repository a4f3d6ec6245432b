/// What one contender measured in the runs of one scenario, in order.
struct Contender: Sendable, Codable {
    /// Who it is: `belfry`, or the name of the floor or peer.
    let name: String
    /// One value a run.
    var samples: [Double]

    /// A contender with the values of its runs.
    init(_ name: String, _ samples: [Double] = []) {
        self.name = name
        self.samples = samples
    }

    /// The middle of the runs; nil when there were none.
    var median: Double? { Statistics.median(samples) }
}

/// What Belfry is to reach in a measure.
struct Target: Sendable, Codable {
    /// Which side of the bound is right.
    enum Relation: String, Sendable, Codable { case atMost, atLeast }

    let relation: Relation
    /// The bound: a factor of the contender `of`, or a value in the measure's unit when `of` is nil.
    let bound: Double
    /// The contender that is compared with.
    let of: String?

    /// Belfry's median is to be at most, or at least, `bound` times that of the contender `of`, or `bound` itself.
    init(_ relation: Relation, _ bound: Double, of contender: String? = nil) {
        self.relation = relation
        self.bound = bound
        self.of = contender
    }
}

/// One quantity, measured by Belfry and by those beside it in the same run.
struct Measure: Sendable, Codable {
    /// The name of the contender that the targets speak of.
    static let belfry = "belfry"

    /// What was measured, say `p50 at 1,000/s`.
    let name: String
    /// `µs`, `/s`, `KB`, `%`, `s`, `MB`.
    let unit: String
    var contenders: [Contender]
    let targets: [Target]

    /// A measure; Belfry comes first among the contenders.
    init(_ name: String, unit: String, _ contenders: [Contender], targets: [Target] = []) {
        self.name = name
        self.unit = unit
        self.contenders = contenders
        self.targets = targets
    }

    /// The contender of this name.
    subscript(name: String) -> Contender? { contenders.first { $0.name == name } }

    /// Belfry's median by the other's; nil when either has none or the other's is zero.
    func ratio(to name: String) -> Double? {
        guard let ours = self[Self.belfry]?.median, let theirs = self[name]?.median, theirs != 0 else { return nil }
        return ours / theirs
    }

    /// Whether Belfry reached the target; nil when it could not be judged, as the peer was not there.
    func reached(_ target: Target) -> Bool? {
        let value = if let other = target.of { ratio(to: other) } else { self[Self.belfry]?.median }
        return value.map { target.relation == .atMost ? $0 <= target.bound : $0 >= target.bound }
    }
}
