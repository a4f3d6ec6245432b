import Authentication
import Crypto
import Foundation

/// SHA-256.
enum Digest {
    /// The first 16 bytes of a text's digest, in hexadecimal.
    static func hexadecimal(of text: String) -> String { TokenFingerprint(of: text).description }
}

extension TokenFingerprint {
    init(of token: String) { self.init(digest: Array(SHA256.hash(data: Data(token.utf8)))) }

    /// Of credentials that hold a token, wherever it came; `nil` for a login with its password, or for none.
    public init?(_ credentials: Credentials) {
        let passcode = credentials.passcode.flatMap { passcode in
            // Beside a login it is a password, unless it has a JWT's form: no digest is made of a password.
            credentials.login == nil || passcode.utf8.count { $0 == UInt8(ascii: ".") } == 2 ? passcode : nil
        }
        guard let token = credentials.token ?? passcode, !token.isEmpty else { return nil }
        self.init(of: token)
    }
}
