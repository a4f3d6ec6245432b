import Foundation
import Testing

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

/// What comes with Swift and the system, and so is listed nowhere.
private let system: Set<String> = ["Dispatch", "Foundation", "Glibc", "Synchronization"]

/// The table of targets in ARCHITECTURE.md: what each imports, of ours and of others.
private func table() throws -> [String: Set<String>] {
    let text = try String(contentsOf: root.appendingPathComponent("ARCHITECTURE.md"), encoding: .utf8)
    let lines = text.split(separator: "\n")
    let start = try #require(lines.firstIndex { $0.hasPrefix("| target |") }, "ARCHITECTURE.md has a table of targets")
    var table: [String: Set<String>] = [:]
    for line in lines[(start + 2)...].prefix(while: { $0.hasPrefix("|") }) {
        let cells = line.split(separator: "|").map(backticked)
        for target in cells[0] { table[target] = Set(cells[2]) }
    }
    return table
}

/// The words of a table's cell that are in backticks.
private func backticked(_ cell: some StringProtocol) -> [String] {
    cell.split(separator: "`", omittingEmptySubsequences: false).enumerated()
        .compactMap { $0.offset % 2 == 1 ? String($0.element) : nil }
}

@Suite struct ImportsTests {
    @Test func everyTargetIsInTheTableAndEveryLineIsATarget() throws {
        let folders = try homes.flatMap {
            try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent($0).path)
        }
        #expect(Set(folders) == Set(try table().keys))
    }

    @Test func whatIsImportedIsListedAndWhatIsListedIsImported() throws {
        let table = try table()
        for (target, listed) in table {
            let home = try #require(
                homes.first {
                    FileManager.default.fileExists(atPath: root.appendingPathComponent("\($0)/\(target)").path)
                }, "\(target) is a folder")
            let files = try swiftFiles(in: "\(home)/\(target)").filter { !$0.path.hasSuffix("/Package.swift") }
            let used = Set(files.flatMap { imports(of: $0.text) }).subtracting(system)
            let own = Set(try ownFolders(of: "\(home)/\(target)"))
            #expect(used.subtracting(own) == listed, "\(target): the table against the files")
        }
    }

    /// Folders within the folder of a target: those of a package of its own are its targets.
    private func ownFolders(of folder: String) throws -> [String] {
        let url = root.appendingPathComponent(folder)
        guard FileManager.default.fileExists(atPath: url.appendingPathComponent("Package.swift").path) else {
            return []
        }
        return try FileManager.default.contentsOfDirectory(atPath: url.path).filter {
            $0.hasSuffix("Cases") || $0 == "Counting"
        }
    }

    /// Lines go down: a target stands above those of ours that it imports.
    @Test func importsPointDown() throws {
        let table = try table()
        let text = try String(contentsOf: root.appendingPathComponent("ARCHITECTURE.md"), encoding: .utf8)
        let order = text.split(separator: "\n").drop { !$0.hasPrefix("| target |") }.dropFirst(2)
            .prefix { $0.hasPrefix("|") }.flatMap { backticked($0.split(separator: "|")[0]) }
        for (target, listed) in table {
            let place = order.firstIndex(of: target) ?? 0
            for module in listed where table[module] != nil {
                #expect(order.firstIndex(of: module) ?? 0 > place, "\(target) stands above \(module)")
            }
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
        #expect(sorted[sorted.count / 2] < 120, "half of the files have under 120 lines")
        #expect(sorted[sorted.count * 9 / 10] < 300, "nine in ten have under 300")
    }

    @Test func nothingTrapsOnPurpose() throws {
        for file in try homes.flatMap(swiftFiles) {
            for word in ["fatalError(", "try!", "TODO", "FIXME", "unimplemented("] {
                #expect(!file.text.contains(word), "\(file.path) holds \(word)")
            }
        }
    }
}
