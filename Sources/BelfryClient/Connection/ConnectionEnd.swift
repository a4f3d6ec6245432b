import BelfryModel
import NIOCore
import STOMP

/// How one connection ended, or why there was none.
struct ConnectionEnd: Sendable {
    let error: BelfryClientError
    /// How long the server asks clients to stay away.
    var away: Duration?
    /// The receipt that the frame had asked for which the server did not accept, where one was to blame.
    var receipt: String?

    init(_ error: BelfryClientError, away: Duration? = nil, receipt: String? = nil) {
        self.error = error
        self.away = away
        self.receipt = receipt
    }

    init(_ code: BelfryClientError.Code, _ message: String, underlying: (any Error)? = nil, line: Int = #line) {
        self.init(BelfryClientError(code, message, underlying: underlying, line: line))
    }
}

/// An ERROR frame, until it is known by what code the connection ends.
struct ServerError: Sendable {
    /// The header `message`: a short text.
    let message: String
    /// The body: a sentence for the developer.
    let sentence: String
    let away: Duration?
    let receipt: String?

    private static let sentenceBytesMax = 1024

    init(_ frame: Frame) {
        message = frame.headers["message"] ?? ""
        sentence =
            String(decoding: frame.body.readableBytesView.prefix(Self.sentenceBytesMax), as: UTF8.self)
            .split(separator: "\n").first.map(String.init) ?? ""
        away = frame.headers["retry-after"].flatMap(RetryAfter.seconds)
        receipt = frame.headers["receipt-id"]
    }

    /// - Parameter code: of the Close frame, where one came.
    func end(code: UInt16?) -> ConnectionEnd {
        // A text that is none of the reasons' says what was wrong with a frame; by a Close frame it is known better.
        let reason = code.map { CloseReason(webSocketCode: $0) } ?? CloseReason(message: message) ?? .internalError
        let parts = sentence.hasPrefix(message) ? [sentence] : [message, sentence]
        let text = parts.filter { !$0.isEmpty }.joined(separator: " ")
        return ConnectionEnd(
            BelfryClientError(reason.errorCode, text.isEmpty ? "The server ended the session." : text),
            away: away, receipt: receipt)
    }
}

extension ConnectionEnd {
    /// The server closed without an ERROR frame.
    ///
    /// - Parameters:
    ///   - code: of the Close frame.
    ///   - reason: its text; it may end in how long to stay away.
    static func closed(code: UInt16, reason: String) -> ConnectionEnd {
        let text = reason.isEmpty ? "The server closed the connection (\(code))." : reason
        return ConnectionEnd(
            BelfryClientError(CloseReason(webSocketCode: code).errorCode, text), away: RetryAfter.atEnd(of: reason))
    }

    static func lost(_ underlying: (any Error)? = nil, line: Int = #line) -> ConnectionEnd {
        ConnectionEnd(.connectionLost, CloseReason.connectionLost.text, underlying: underlying, line: line)
    }
}

/// How long a server asks clients to stay away: in a header of ERROR or HTTP, or at the end of a Close frame's text.
enum RetryAfter {
    /// A whole number of seconds, a day at most.
    static func seconds(_ text: some StringProtocol) -> Duration? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let seconds = Int(text), seconds <= 86_400
        else { return nil }
        return .seconds(seconds)
    }

    /// `… again in 10 s.`
    static func atEnd(of text: String) -> Duration? {
        let words = text.split(separator: " ")
        guard words.count >= 3, words[words.count - 1] == "s.", words[words.count - 3] == "in" else { return nil }
        return seconds(words[words.count - 2])
    }
}
