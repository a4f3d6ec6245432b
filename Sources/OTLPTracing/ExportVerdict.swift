import Foundation
import OutgoingHTTP

/// What becomes of a batch of spans after a try to hand it over. Pure.
enum ExportVerdict: Equatable {
    case taken
    /// The collector took the request and refused some spans of it.
    case partly(rejected: Int, String)
    /// To be tried again; the pause that the collector asks for, if it does.
    case later(String, after: Duration?)
    /// To be dropped: it would be refused again.
    case refused(String)

    /// The longest pause that a collector may ask for.
    static let retryAfterMax: Duration = .seconds(60)

    /// OTLP 1.x, "OTLP/HTTP Response": 429, 502, 503 and 504 are to be tried again, other refusals are not.
    init(_ answer: OutgoingAnswer, from url: String, now: Date) {
        switch answer.status {
        case 200..<300: self = Self.taken(answer)
        case 429, 502, 503, 504:
            self = .later(
                "it answered \(answer.status)", after: answer.retryAfter.flatMap { Self.pause($0, now: now) })
        case 404, 405:
            self = .refused(
                "\(url) answered \(answer.status): otel.endpoint is to be the base URL of a receiver of OTLP over "
                    + "HTTP, usually at port 4318.")
        case 401, 403:
            self = .refused("\(url) answered \(answer.status): otel.headers lacks what it lets clients in by.")
        case 300..<400:
            self = .refused(
                "\(url) answered \(answer.status), a redirect, which is not followed: set otel.endpoint to where it "
                    + "leads.")
        default: self = .refused("\(url) answered \(answer.status).")
        }
    }

    /// Nobody answered.
    init(_ error: OutgoingHTTPError, port: Int?) {
        guard error.code != .badRequest else {
            self = .refused("\(error.message).")
            return
        }
        let hint = port == 4317 ? " (4317 is usually gRPC's port; OTLP over HTTP has 4318)" : ""
        self = .later(error.message + hint, after: nil)
    }

    private static func taken(_ answer: OutgoingAnswer) -> ExportVerdict {
        struct Document: Decodable {
            struct PartialSuccess: Decodable {
                let rejectedSpans: Rejected?
                let errorMessage: String?
            }

            let partialSuccess: PartialSuccess?
        }
        /// A number of 64 bits: a string in JSON, or a number.
        struct Rejected: Decodable {
            let count: Int

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let number = try? container.decode(Int.self) {
                    count = number
                } else {
                    count = Int(try container.decode(String.self)) ?? 0
                }
            }
        }
        let bytes = Data(answer.body.readableBytesView)
        guard let said = (try? JSONDecoder().decode(Document.self, from: bytes))?.partialSuccess,
            let rejected = said.rejectedSpans?.count, rejected > 0
        else { return .taken }
        return .partly(rejected: rejected, said.errorMessage ?? "")
    }

    /// RFC 9110, section 10.2.3: seconds, or a date.
    private static func pause(_ text: String, now: Date) -> Duration? {
        if let seconds = Int(text) { return seconds < 0 ? nil : min(.seconds(seconds), retryAfterMax) }
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "GMT")
        format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        guard let date = format.date(from: text) else { return nil }
        return min(.seconds(max(0, date.timeIntervalSince(now))), retryAfterMax)
    }
}
