import Crypto
import Foundation

/// What webhooks are signed with, by Standard Webhooks 1.0: HMAC-SHA256, and while one secret replaces another a
/// signature by each.
public struct SigningSecrets: Sendable {
    /// Bytes of a secret.
    static let bytes = 24...64
    private static let prefix = "whsec_"
    private static let countMax = 2

    private let keys: [SymmetricKey]

    /// - Parameter text: one or two secrets, `whsec_` and base64 each, with commas, spaces or line ends in between.
    public init(parsing text: String) throws(WebhookProblem) {
        let parts = text.split { $0 == "," || $0.isWhitespace }
        guard (1...Self.countMax).contains(parts.count) else {
            throw WebhookProblem(
                "it holds \(parts.count) secrets, and one is wanted, or two while one replaces another")
        }
        var keys: [SymmetricKey] = []
        for part in parts {
            guard part.hasPrefix(Self.prefix),
                let bytes = Data(base64Encoded: String(part.dropFirst(Self.prefix.count)))
            else {
                throw WebhookProblem("a secret is \(Self.prefix) and base64, as of openssl rand -base64 32")
            }
            guard Self.bytes.contains(bytes.count) else {
                throw WebhookProblem(
                    "a secret has \(Self.bytes.lowerBound) to \(Self.bytes.upperBound) bytes, and one has "
                        + "\(bytes.count)")
            }
            keys.append(SymmetricKey(data: bytes))
        }
        self.keys = keys
    }

    /// The field `webhook-signature`.
    ///
    /// - Parameters:
    ///   - id: the field `webhook-id`.
    ///   - timestamp: the field `webhook-timestamp`, in seconds since 1970.
    ///   - body: the bytes that are sent.
    public func signature(id: String, timestamp: Int, body: some DataProtocol) -> String {
        keys.map { key in
            var mac = HMAC<SHA256>(key: key)
            mac.update(data: Data("\(id).\(timestamp).".utf8))
            mac.update(data: body)
            return "v1," + Data(mac.finalize()).base64EncodedString()
        }.joined(separator: " ")
    }
}

extension SigningSecrets: CustomStringConvertible, CustomReflectable {
    public var description: String { "SigningSecrets(…)" }
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
