/// Turns the token of a CONNECT frame into the user it stands for.
public protocol Authenticator: Sendable {
    /// - Parameter token: what the client sent, without a `Bearer ` prefix; any bytes, any length.
    /// - Throws: `AuthenticationError` with one text for the client's developer and another for the operator's log.
    func authenticate(_ token: String) async throws(AuthenticationError) -> Identity
}
