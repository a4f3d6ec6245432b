import BelfryClient
import Foundation
import JWTAuthentication

/// With what `belfry tail` says who it is.
enum TailToken: Sendable {
    case given(String)
    case made(TokenMaker)
    /// In development mode that is a token.
    case userID(String)

    /// - Parameter given: `-` for the first line of standard input.
    init(given: String?, user: String?, configuration: BelfryConfiguration) async throws {
        if let given {
            guard let token = given == "-" ? readLine() : given, !token.isEmpty else {
                throw CommandFailure("No token came on standard input.")
            }
            self = .given(token)
        } else if let secret = configuration.jwtSecret {
            let maker = TokenMaker(
                user: user ?? "", secret: secret, issuer: configuration.jwtIssuer,
                audience: configuration.jwtAudience)
            // A secret that is of no use is said before anything is connected.
            _ = try await maker.token()
            self = .made(maker)
        } else {
            self = .userID(user ?? "")
        }
    }

    /// What to do about a token that was refused.
    var hint: String {
        switch self {
        case .given: "Give another (--token)."
        case .made: "Are jwt.secret, jwt.issuer and jwt.audience those of the node?"
        case .userID:
            "Give a token (--token), or set jwt.secret (BELFRY_JWT_SECRET) as the nodes have it; the user's id is a "
                + "token in development mode only."
        }
    }
}

/// Makes a token whenever the client needs one, so that none lasts long.
struct TokenMaker: Sendable {
    private static let lifetime: TimeInterval = 300

    let user: String
    let secret: String
    let issuer: String?
    let audience: String?

    func token() async throws -> String {
        try await TokenCommand.token(
            user: user, expiresAt: Date().addingTimeInterval(Self.lifetime), secret: secret, issuer: issuer,
            audience: audience)
    }
}
