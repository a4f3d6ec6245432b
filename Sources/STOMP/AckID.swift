import BelfryModel

/// The value of a MESSAGE's `ack` header, which the client sends back as the `id` of ACK or NACK ("STOMP 1.2, ACK").
///
/// Its text form is `<subscription number>-<message id>`, in decimal without leading zeros.
public struct AckID: Hashable, Sendable, CustomStringConvertible {
    /// `Subscription.number`.
    public let subscription: UInt32
    public let message: MessageID

    public init(subscription: UInt32, message: MessageID) {
        self.subscription = subscription
        self.message = message
    }

    /// Reads the text form; `nil` for anything else.
    public init?(_ text: String) {
        guard let hyphen = text.utf8.firstIndex(of: UInt8(ascii: "-")),
            let subscription = UInt32(plain: text[..<hyphen]),
            let message = Int64(plain: text[text.utf8.index(after: hyphen)...])
        else { return nil }
        self.init(subscription: subscription, message: MessageID(rawValue: message))
    }

    public var description: String { "\(subscription)-\(message)" }

    /// Bytes of the text form.
    public var byteCount: Int { subscription.decimalDigits + 1 + message.rawValue.decimalDigits }
}

extension ExactWriter {
    mutating func write(_ id: AckID) {
        write(decimal: id.subscription)
        write("-" as StaticString)
        write(decimal: id.message.rawValue)
    }
}

extension FixedWidthInteger {
    /// Reads decimal digits without sign or leading zero, so that a number has one text form only; zero is refused.
    fileprivate init?(plain text: Substring) {
        guard let first = text.utf8.first, (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(first) else { return nil }
        self.init(text, radix: 10)
    }
}
