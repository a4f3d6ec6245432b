import Foundation

/// A moment on the command line: ISO 8601, or a duration before or after now (`2h`).
struct TimePoint: Hashable, Sendable {
    /// Whether a bare duration means the past or the future.
    enum Direction {
        case ago, fromNow
    }

    /// What a sentence says of the form.
    static let hint = "an ISO 8601 time such as 2026-01-31T08:00:00Z, or a duration such as 30m, 2h or 7d"

    /// ISO 8601 with a zone. PostgreSQL reads it, and refuses a thirteenth month with a sentence of its own.
    let text: String

    /// - Returns: `nil` for anything else. A date without a time is its midnight; a time without a zone is in UTC.
    init?(parsing text: String, _ direction: Direction, now: Date = Date()) {
        if let duration = DurationText.parse(text) {
            let (seconds, attoseconds) = duration.components
            let interval = Double(seconds) + Double(attoseconds) / 1e18
            let date = now.addingTimeInterval(direction == .ago ? -interval : interval)
            self.text = date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            return
        }
        let form =
            /(?<date>\d{4}-\d\d-\d\d)(?:[T ](?<time>\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(?<zone>Z|[+-]\d\d(?::?\d\d)?)?)?/
        guard let match = text.wholeMatch(of: form)?.output else { return nil }
        self.text = "\(match.date)T\(match.time ?? "00:00:00")\(match.zone ?? "Z")"
    }
}
