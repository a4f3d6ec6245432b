import Foundation

/// Times as clients write them.
enum MessageTime {
    /// Unix milliseconds. PostgreSQL's times end later.
    static let range: ClosedRange<Int64> = 1...253_402_300_799_999

    /// Unix milliseconds of a text that is a number of these, or a time by RFC 3339; `nil` for others.
    static func milliseconds(_ text: String) -> Int64? {
        guard let value = Int64(text) ?? rfc3339(text), range.contains(value) else { return nil }
        return value
    }

    private static func rfc3339(_ text: String) -> Int64? {
        for fractions in [false, true] {
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: fractions)
            if let date = try? Date(text, strategy: style) { return Int64(date.timeIntervalSince1970 * 1_000) }
        }
        return nil
    }
}
