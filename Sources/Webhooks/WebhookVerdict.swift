import Foundation
import OutgoingHTTP

/// What came of one try of a webhook.
public enum WebhookVerdict: Hashable, Sendable {
    /// The application has it: 2xx.
    case accepted(status: Int)
    /// To be tried again, if it was not the last time.
    ///
    /// - Parameters:
    ///   - status: `nil` when there was no answer.
    ///   - after: what the application asked for by Retry-After.
    case again(reason: String, status: Int?, after: Duration?)
    /// The same would be refused again: 400, 413, 415, 422.
    case refused(reason: String, status: Int)
    /// The application wants no webhooks of this rule any more: 410.
    case gone(reason: String)

    /// What Retry-After counts for at most.
    static let retryAfterMax: Duration = .seconds(86_400)

    /// Only what says that this very webhook does not go is given up at once. What is said of the place (401, 403, 404,
    /// 405, a redirect) is a deployment's fault more often than its meaning, and is tried again like 5xx.
    init(_ answer: OutgoingAnswerHead, now: Date = Date()) {
        let reason = "The application answered \(answer.status)."
        switch answer.status {
        case 200..<300: self = .accepted(status: answer.status)
        case 410: self = .gone(reason: "The application answered 410 Gone: it wants no more of these.")
        case 400, 413, 415, 422: self = .refused(reason: reason, status: answer.status)
        case 300..<400:
            self = .again(
                reason: "The application answered \(answer.status), and redirects are not followed.",
                status: answer.status, after: nil)
        default:
            self = .again(
                reason: reason, status: answer.status,
                after: answer.field("Retry-After").flatMap { Self.retryAfter($0, now: now) })
        }
    }

    init(_ error: OutgoingHTTPError) {
        self = .again(reason: "The application was told, and \(error).", status: nil, after: nil)
    }

    public var isAccepted: Bool { if case .accepted = self { true } else { false } }

    /// RFC 9110, section 10.2.3: seconds, or a date.
    static func retryAfter(_ text: String, now: Date) -> Duration? {
        let seconds: Double
        if let number = Int(text.filter { $0 != " " }), number >= 0 {
            seconds = Double(number)
        } else if let date = date(text) {
            seconds = date.timeIntervalSince(now)
        } else {
            return nil
        }
        return min(.seconds(max(0, seconds)), retryAfterMax)
    }

    /// An IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    private static func date(_ text: String) -> Date? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let form = /[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT/
        guard let match = text.wholeMatch(of: form)?.output, let month = months.firstIndex(of: String(match.2)),
            let zone = TimeZone(secondsFromGMT: 0)
        else { return nil }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        return calendar.date(
            from: DateComponents(
                year: Int(match.3), month: month + 1, day: Int(match.1), hour: Int(match.4), minute: Int(match.5),
                second: Int(match.6)))
    }
}
