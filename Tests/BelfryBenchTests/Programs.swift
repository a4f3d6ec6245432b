import Foundation

/// The programs that were built with these tests.
enum Programs {
    static let bench = folder.appendingPathComponent("belfry-bench")
    static let belfry = folder.appendingPathComponent("belfry")

    private static let folder: URL = {
        let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        let bundle = maps.split(separator: "\n").compactMap { line in
            line.hasSuffix(".xctest") ? line.split(separator: " ").last.map(String.init) : nil
        }.first
        return URL(fileURLWithPath: bundle ?? CommandLine.arguments[0]).deletingLastPathComponent()
    }()
}
