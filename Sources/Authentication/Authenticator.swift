/// Turns the token of a CONNECT frame into the user it stands for.
///
/// It is asked on the session's event loop, as handing the question to another thread costs more than the answer: a
/// signature takes some ten microseconds. It waits for nothing and asks nobody.
public protocol Authenticator: Sendable {
    /// - Parameter token: what the client sent, without a `Bearer ` prefix; any bytes, any length.
    /// - Throws: `AuthenticationError` with one text for the client's developer and another for the operator's log.
    func authenticate(_ token: String) throws(AuthenticationError) -> Identity

    /// Whether anybody can make a token of anybody's, so that a token proves nothing. The gateway then looks at where a
    /// request comes from instead, lest any page that a user opens speaks for them.
    var tokensAreUnproven: Bool { get }
}

extension Authenticator {
    public var tokensAreUnproven: Bool { false }
}
