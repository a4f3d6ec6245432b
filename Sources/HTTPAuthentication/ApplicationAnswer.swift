import Authentication
import Foundation
import NIOCore

/// What an application says of a client:
/// `{"user":"alice","expiresAt":1764500000000,"subscribe":[…],"send":[…],"operator":true}`, of which `user` alone must
/// be there. Other members mean nothing.
struct ApplicationAnswer: Decodable {
    let user: String
    /// Milliseconds since 1970.
    let expiresAt: Double?
    let subscribe: [String]?
    let send: [String]?
    let `operator`: OperatorRight?

    /// - Throws: `DecodingError`.
    init(parsing body: ByteBuffer) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(body.readableBytesView))
    }

    /// - Throws: `AuthenticationError` for what can't be a user, an expiry that has passed, or rights that are no
    ///   patterns.
    func identity(now: Date = Date()) throws(AuthenticationError) -> Identity {
        guard Identity.isValid(user: user) else {
            throw HTTPAuthenticator.fault(
                "The application's 'user' is not 1 to \(Identity.userBytesMax) bytes of UTF-8 in composed form without "
                    + "control characters.")
        }
        // Within the years 1 to 9999, so that no arithmetic on it can overflow.
        let end = expiresAt.map {
            Date(timeIntervalSince1970: min(max($0 / 1_000, -62_135_596_800), 253_402_300_799))
        }
        if let end, end <= now {
            throw AuthenticationError(
                .expired, "What says who you are has expired.",
                detail: "The application's 'expiresAt' has passed; it is in milliseconds since 1970.")
        }
        let topics = subscribe.map(Rights.patterns)
        guard let sends = Rights.patterns(send ?? []), topics.map({ $0 != nil }) ?? true else {
            throw HTTPAuthenticator.fault(
                "The application's 'subscribe' or 'send' is not a list of at most \(Rights.patternsMax) patterns of "
                    + "destinations.")
        }
        return Identity(
            user: user, expiresAt: end,
            rights: Rights(topics: topics ?? nil, sends: sends, operatorRight: `operator` ?? .none))
    }
}
