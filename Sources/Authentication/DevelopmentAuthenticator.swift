/// Takes the token itself as the user's id, and lets everybody send: for development, never for a server that others
/// reach.
public struct DevelopmentAuthenticator: Authenticator {
    public var tokensAreUnproven: Bool { true }

    public init() {}

    public func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
        AuthenticationAnswer { () throws(AuthenticationError) in try user(named: credentials.tokenOrPasscode) }
    }

    private func user(named token: String) throws(AuthenticationError) -> Identity {
        guard !token.isEmpty else {
            throw AuthenticationError(
                .missing, "No token was sent; in development mode the token is the user's id, such as 'alice'.")
        }
        guard Identity.isValid(user: token) else {
            throw AuthenticationError(
                .user,
                "In development mode the token is the user's id: 1 to \(Identity.userBytesMax) bytes of UTF-8 in "
                    + "composed form, no control characters.")
        }
        return Identity(user: token, rights: .all)
    }
}
