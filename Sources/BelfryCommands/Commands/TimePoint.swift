import Foundation

/// A moment on the command line: ISO 8601, or a duration before or after now (`2h`).
struct TimePoint: Hashable, Sendable {
    /// Whether a bare duration means the past or the future.
    enum Direction {
        case ago, fromNow
    }

    /// What a sentence says of the form.
    static let hint = "an ISO 8601 time such as 2026-01-31T08:00:00Z, or a duration such as 30m, 2h or 7d"

    /// A bare duration has a hundred years at most: PostgreSQL does not read what lies before the first of them.
    private static let longest: Duration = .seconds(36_500 * 86_400)

    /// ISO 8601 with a zone, of a day that there is.
    let text: String

    /// - Returns: `nil` for anything else. A date without a time is its midnight; a time without a zone is in UTC.
    init?(parsing text: String, _ direction: Direction, now: Date = Date()) {
        if let duration = DurationText.parse(text) {
            guard duration <= Self.longest else { return nil }
            let (seconds, attoseconds) = duration.components
            let interval = Double(seconds) + Double(attoseconds) / 1e18
            let date = now.addingTimeInterval(direction == .ago ? -interval : interval)
            self.text = date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            return
        }
        let form =
            #/
            (?<date>\d{4}-\d\d-\d\d)
            (?:[T\x20](?<time>[0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?)(?<zone>Z|[+\-][01]\d(?::?[0-5]\d)?)?)?
            /#
        guard let match = text.wholeMatch(of: form)?.output, Self.isDay(match.date), (match.time ?? "") < "24" else {
            return nil
        }
        self.text = "\(match.date)T\(match.time ?? "00:00:00")\(match.zone ?? "Z")"
    }

    /// Whether there is such a day, `yyyy-mm-dd`.
    private static func isDay(_ date: Substring) -> Bool {
        let parts = date.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 3, parts[0] > 0 else { return false }
        let calendar = Calendar(identifier: .gregorian)
        return DateComponents(calendar: calendar, year: parts[0], month: parts[1], day: parts[2]).isValidDate
    }
}
