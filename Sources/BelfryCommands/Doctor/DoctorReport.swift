import Foundation

/// What `belfry doctor` says.
struct DoctorReport: Sendable, Encodable {
    /// In the order in which they were looked for.
    var findings: [Finding]
    /// What `--repair` did, as sentences.
    var repairs: [String] = []

    /// The worst of the findings.
    var severity: Finding.Severity { findings.map(\.severity).max() ?? .ok }

    /// 0 for nothing that has to be done, 1 for warnings, 2 for what is critical.
    var exitStatus: Int32 {
        switch severity {
        case .ok, .note: 0
        case .warning: 1
        case .critical: 2
        }
    }

    /// For a person: the worst first.
    var text: String {
        let sorted = Finding.Severity.allCases.reversed().flatMap { severity in
            findings.filter { $0.severity == severity }
        }
        var lines = repairs.map { "repaired  \($0)" }
        for finding in sorted {
            let word = finding.severity.rawValue.padding(toLength: 9, withPad: " ", startingAt: 0)
            lines.append("\(word) \(finding.sentence) [\(finding.code)]")
            if let command = finding.command, finding.severity != .ok { lines.append("          → \(command)") }
        }
        let counts = Finding.Severity.allCases.reversed().dropLast().compactMap { severity -> String? in
            let count = findings.count { $0.severity == severity }
            return count == 0 ? nil : "\(count) \(severity.rawValue)"
        }
        lines.append(counts.isEmpty ? "Nothing to do." : counts.joined(separator: ", ") + ".")
        return lines.map(VisibleText.of).joined(separator: "\n")
    }

    /// For machines.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    private enum CodingKeys: String, CodingKey { case severity, findings, repairs }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(severity, forKey: .severity)
        try container.encode(findings, forKey: .findings)
        try container.encode(repairs, forKey: .repairs)
    }
}
