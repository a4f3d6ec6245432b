/// A curve for a plot: `y` over `x`.
struct Curve: Sendable, Codable {
    /// The plot it belongs to, say `latency`.
    let plot: String
    /// What the line is called in the legend.
    let name: String
    let xLabel: String
    let yLabel: String
    let x: [Double]
    let y: [Double]

    /// A line of as many points as `x` and `y` both have.
    init(plot: String, name: String, xLabel: String, yLabel: String, x: [Double], y: [Double]) {
        self.plot = plot
        self.name = name
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.x = x
        self.y = y
    }
}

/// What one scenario found.
struct ScenarioResult: Sendable, Codable {
    let scenario: String
    var measures: [Measure]
    /// Sentences that a reader of the figures needs: what was left out, how busy the load generator was.
    var notes: [String]
    var curves: [Curve]

    /// A scenario's result.
    init(_ scenario: String, _ measures: [Measure] = [], notes: [String] = [], curves: [Curve] = []) {
        self.scenario = scenario
        self.measures = measures
        self.notes = notes
        self.curves = curves
    }
}
