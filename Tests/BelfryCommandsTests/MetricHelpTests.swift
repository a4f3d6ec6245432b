import Foundation
import Testing

@testable import BelfryCommands

/// Every metric that the sources count by has its help text, and its line in docs/metrics.md.
struct MetricHelpTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The labels that the sources give to metrics.
    private static func labels() throws -> Set<String> {
        let sources = root.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        var labels: Set<String> = []
        for case let file as URL in files where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /label:\s*"(belfry_[a-z_]+)"/) { labels.insert(String(match.1)) }
        }
        return labels
    }

    @Test func everyMetricHasItsHelpAndNoOtherHas() throws {
        let labels = try Self.labels()
        #expect(labels.contains("belfry_relay_published_total"))
        #expect(labels == Set(MetricHelp.texts.keys))
    }

    @Test func everyMetricIsDocumented() throws {
        let page = try String(contentsOf: Self.root.appendingPathComponent("docs/metrics.md"), encoding: .utf8)
        for label in try Self.labels() { #expect(page.contains("\n| `\(label)` |"), "\(label)") }
    }
}
