import Crypto
import Foundation

/// What a token is known by where the token itself must not stand: the first 16 bytes of its SHA-256.
public struct TokenFingerprint: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    public init(of token: String) {
        let bytes = Array(SHA256.hash(data: Data(token.utf8)).prefix(16))
        high = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Of credentials that hold a token, wherever it came; `nil` for a login with its password, or for none.
    public init?(_ credentials: Credentials) {
        let token = credentials.token ?? (credentials.login == nil ? credentials.passcode : nil)
        guard let token, !token.isEmpty else { return nil }
        self.init(of: token)
    }

    /// Reads `description`; `nil` for other texts.
    public init?(parsing text: some StringProtocol) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.high = high
        self.low = low
    }

    /// 32 hexadecimal digits.
    public var description: String { Self.digits(high) + Self.digits(low) }

    private static func digits(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
