import Crypto
import Foundation

/// SHA-256.
enum Digest {
    /// The first bytes of a text's digest, in hexadecimal.
    static func hexadecimal(of text: String, bytes: Int) -> String {
        SHA256.hash(data: Data(text.utf8)).prefix(bytes)
            .map { (UInt32($0) + 0x100).hexDigits }.joined()
    }
}

extension UInt32 {
    /// The last two digits.
    fileprivate var hexDigits: Substring { String(self, radix: 16).suffix(2) }
}
