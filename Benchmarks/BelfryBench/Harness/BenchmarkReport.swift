import Foundation

/// What `belfry-bench --json` prints.
struct BenchmarkReport: Sendable, Codable {
    /// Of the `belfry` that was measured.
    let version: String
    let machine: Machine
    let startedAt: Date
    let isQuick: Bool
    var results: [ScenarioResult]

    /// An empty report of a run that begins now.
    init(version: String, isQuick: Bool) {
        self.version = version
        self.machine = .current
        self.startedAt = Date()
        self.isQuick = isQuick
        self.results = []
    }

    /// The report as `--json` prints it.
    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}
