/// Durations as settings and options write them: a number and a unit, such as `5ms`, `10s`, `5m`, `2h`, `7d`.
enum DurationText {
    private static let milliseconds: [(unit: String, factor: Int)] = [
        ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// What a sentence says of the form.
    static let hint = "a number with a unit, such as 500ms, 10s, 5m, 2h or 7d"

    /// - Returns: `nil` for anything else, a missing unit and a number too large included.
    static func parse(_ text: String) -> Duration? {
        let digits = text.prefix { ("0"..."9").contains($0) }
        let unit = text.dropFirst(digits.count)
        guard let number = Int(digits), let factor = milliseconds.first(where: { $0.unit == unit })?.factor else {
            return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : .milliseconds(product)
    }

    /// The shortest spelling that `parse` reads back; whole milliseconds.
    static func text(_ duration: Duration) -> String {
        let total = duration.components.seconds * 1_000 + duration.components.attoseconds / 1_000_000_000_000_000
        let fitting = milliseconds.last { total != 0 && total.isMultiple(of: Int64($0.factor)) } ?? ("ms", 1)
        return "\(total / Int64(fitting.factor))\(fitting.unit)"
    }
}
