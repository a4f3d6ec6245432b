import Foundation
import Testing

/// Which of our own targets each target may import: the table in ARCHITECTURE.md.
private let allowed: [String: Set<String>] = [
    "BelfryModel": [],
    "STOMP": ["BelfryModel"],
    "Postgres": ["CLibpq"],
    "Outbox": ["Postgres", "BelfryModel"],
    "Bus": ["BelfryModel"],
    "RedisBus": ["Bus", "CHiredis", "BelfryModel"],
    "Relay": ["Outbox", "Bus", "BelfryModel", "Postgres"],
    "Gateway": ["STOMP", "Bus", "Outbox", "BelfryModel", "Postgres"],
    "PrometheusMetrics": [],
    "PrivateServers": [],
    "Floors": ["CLibpq", "CHiredis"],
    "BelfryBench": ["Floors", "PrivateServers", "Bus", "BelfryModel", "CLibpq", "CLinux"],
    "InstructionCounts": [
        "BelfryModel", "STOMP", "Bus", "Outbox", "Postgres", "RedisBus", "Gateway", "PrometheusMetrics",
    ],
    "BelfryCommands": [
        "BelfryModel", "STOMP", "Postgres", "Outbox", "Bus", "RedisBus", "Relay", "Gateway", "PrometheusMetrics",
        "PrivateServers",
    ],
    "belfry": ["BelfryCommands"],
]

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// Where targets are, one folder each: the product's and the benchmark's.
private let homes = ["Sources", "Benchmarks"]

/// Every Swift file under a folder of the repository, with its text.
private func swiftFiles(in folder: String) throws -> [(path: String, text: String)] {
    let base = root.appendingPathComponent(folder)
    let files = try #require(FileManager.default.enumerator(at: base, includingPropertiesForKeys: nil))
    return try files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }.map { file in
        (String(file.path.dropFirst(root.path.count + 1)), try String(contentsOf: file, encoding: .utf8))
    }
}

/// The modules that a file imports.
private func imports(of text: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
        let words = line.split(separator: " ")
        guard let index = words.firstIndex(of: "import"), index + 1 < words.count,
            words[..<index].allSatisfy({ $0.hasPrefix("@") || ["public", "internal", "package"].contains($0) })
        else { return nil }
        return words.dropFirst(index + 1).first { !["struct", "class", "enum", "func", "protocol"].contains($0) }
            .map { String($0.prefix { $0 != "." }) }
    }
}

@Suite struct ImportsTests {
    @Test func everyTargetIsInTheTable() throws {
        let folders = try homes.flatMap {
            try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent($0).path)
        }
        #expect(Set(folders).subtracting(["CLibpq", "CHiredis", "CLinux"]) == Set(allowed.keys))
    }

    @Test(arguments: allowed.keys.sorted())
    func importsOnlyPointDown(target: String) throws {
        let ours = Set(allowed.keys).union(["CLibpq", "CHiredis", "CLinux"])
        let home = try #require(
            homes.first {
                FileManager.default.fileExists(atPath: root.appendingPathComponent("\($0)/\(target)").path)
            })
        for file in try swiftFiles(in: "\(home)/\(target)") {
            for module in imports(of: file.text) where ours.contains(module) {
                #expect(allowed[target]?.contains(module) == true, "\(file.path) imports \(module)")
            }
        }
    }

    @Test func theModelNeedsTheStandardLibraryOnly() throws {
        for file in try swiftFiles(in: "Sources/BelfryModel") {
            #expect(imports(of: file.text).isEmpty, "\(file.path)")
        }
    }

    @Test func theProtocolHasNoSockets() throws {
        for file in try swiftFiles(in: "Sources/STOMP") {
            let modules = Set(imports(of: file.text))
            #expect(modules.isSubset(of: ["BelfryModel", "NIOCore", "DequeModule"]), "\(file.path): \(modules)")
        }
    }
}

@Suite struct SizeTests {
    @Test func filesStayReadable() throws {
        let lengths = try homes.flatMap(swiftFiles).map { ($0.path, $0.text.split(separator: "\n").count) }
        for (path, lines) in lengths {
            #expect(lines <= 400, "\(path) has \(lines) lines; split it by responsibility")
        }
        let sorted = lengths.map(\.1).sorted()
        #expect(sorted[sorted.count / 2] <= 150, "half of the files have at most 150 lines")
    }

    @Test func nothingTrapsOnPurpose() throws {
        for file in try homes.flatMap(swiftFiles) {
            for word in ["fatalError(", "try!", "TODO", "FIXME", "unimplemented("] {
                #expect(!file.text.contains(word), "\(file.path) holds \(word)")
            }
        }
    }
}
