import Foundation
import Testing

/// The words that findings are known by.
struct DoctorCodesTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// Codes of findings in the sources, but for those that are only ever in order.
    private func codes() throws -> Set<String> {
        let folders = ["Sources/BelfryCommands/Doctor", "Sources/BelfryCommands/Commands"]
        let texts = try folders.flatMap { folder in
            let url = Self.root.appendingPathComponent(folder)
            return try FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: nil)
                .map { try String(contentsOf: $0, encoding: .utf8) }
        }
        return Set(
            texts.flatMap { text in
                text.matches(of: /Finding\(\s*"([a-z-]+)",\s*([a-zA-Z.]+)/).filter { $0.2 != ".ok" }.map {
                    String($0.1)
                }
            })
    }

    @Test func eachCodeStandsInTheDocumentation() throws {
        let text = try String(
            contentsOf: Self.root.appendingPathComponent("docs/operations.md"), encoding: .utf8)
        let codes = try codes()
        #expect(codes.count > 50)
        for code in codes where !code.hasPrefix("setting-") {
            #expect(text.contains("`\(code)`"), "docs/operations.md names \(code)")
        }
    }

    /// Each has a test that brings it about.
    @Test func eachCodeStandsInATest() throws {
        let folder = Self.root.appendingPathComponent("Tests/BelfryCommandsTests/Doctor")
        let text = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .map { try String(contentsOf: $0, encoding: .utf8) }.joined()
        for code in try codes() where !code.hasPrefix("setting-") {
            let isNamed = text.contains("\"\(code)\"") || text.contains("[\(code)]")
            #expect(isNamed, "a test names \(code)")
        }
    }
}
