import Foundation

/// A report as a person reads it.
enum ResultTable {
    /// The scenario's measures in columns, its notes below.
    static func text(_ result: ScenarioResult) -> String {
        var rows = [["measure", "belfry", "beside", "", "ratio", "target", ""]]
        for measure in result.measures { rows += lines(of: measure) }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        var text = "\n\(result.scenario)\n"
        for row in rows {
            let cells = zip(row, widths).enumerated().map { column, cell in
                // Words to the left, figures to the right.
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                return [1, 3, 4].contains(column) ? padding + cell.0 : cell.0 + padding
            }
            var line = "  " + cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            text += line + "\n"
        }
        for note in result.notes { text += "  * \(note)\n" }
        return text
    }

    /// One line for each contender beside Belfry, or one alone.
    private static func lines(of measure: Measure) -> [[String]] {
        let others = measure.contenders.filter { $0.name != Measure.belfry }
        let ours = measure[Measure.belfry]?.median.map { figure($0, measure.unit) } ?? "–"
        let absolute = measure.targets.filter { $0.of == nil }
        var lines: [[String]] = []
        if others.isEmpty || !absolute.isEmpty {
            let (target, verdict) = judgement(measure, absolute)
            lines.append([measure.name, ours, "", "", "", target, verdict])
        }
        for (index, other) in others.enumerated() {
            let (target, verdict) = judgement(measure, measure.targets.filter { $0.of == other.name })
            let isFirst = lines.isEmpty && index == 0
            lines.append([
                isFirst ? measure.name : "", isFirst ? ours : "", other.name,
                other.median.map { figure($0, measure.unit) } ?? "–",
                measure.ratio(to: other.name).map { String(format: "%.2f", $0) } ?? "–", target, verdict,
            ])
        }
        return lines
    }

    private static func judgement(_ measure: Measure, _ targets: [Target]) -> (target: String, verdict: String) {
        guard let target = targets.first else { return ("", "") }
        let sign = target.relation == .atMost ? "≤" : "≥"
        let bound = target.of == nil ? figure(target.bound, measure.unit) : String(format: "%g ×", target.bound)
        let verdict = measure.reached(target).map { $0 ? "reached" : "MISSED" } ?? "not judged"
        return ("\(sign) \(bound)", verdict)
    }

    /// Three significant digits, thousands apart, with the unit.
    static func figure(_ value: Double, _ unit: String) -> String {
        let digits = abs(value) >= 100 ? 0 : abs(value) >= 10 ? 1 : 2
        var text = String(format: "%.\(digits)f", value)
        if digits == 0, abs(value) >= 1_000 {
            let isNegative = value < 0
            var grouped = ""
            for (place, digit) in text.drop(while: { $0 == "-" }).reversed().enumerated() {
                if place > 0, place % 3 == 0 { grouped.append(",") }
                grouped.append(digit)
            }
            text = (isNegative ? "-" : "") + String(grouped.reversed())
        }
        return unit.hasPrefix("/") || unit == "%" ? text + unit : "\(text) \(unit)"
    }
}
