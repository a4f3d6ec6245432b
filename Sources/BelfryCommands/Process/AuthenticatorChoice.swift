import Gateway
import Logging

/// Makes the authenticator that the settings ask for.
enum AuthenticatorChoice {
    /// - Throws: `ConfigurationError` when there is nothing to verify tokens with; `JWTKeysError`.
    static func make(_ configuration: BelfryConfiguration, logger: Logger) async throws -> any Authenticator {
        switch configuration.authentication {
        case .dev:
            if !configuration.listen.isLoopback {
                logger.warning(
                    "Anyone who reaches this node can be any user: auth is 'dev' and the address is not a loopback one.",
                    metadata: ["listen": "\(configuration.listen)"])
            }
            return DevelopmentAuthenticator()
        case .jwt:
            let keys = try await keys(configuration)
            for sentence in keys.ignored { logger.notice("\(sentence)") }
            logger.info("Tokens are verified.", metadata: ["algorithms": "\(keys.algorithms.joined(separator: " "))"])
            return JWTAuthenticator(
                keys: keys, issuer: configuration.jwtIssuer, audience: configuration.jwtAudience)
        }
    }

    private static func keys(_ configuration: BelfryConfiguration) async throws -> JWTKeys {
        var keys: JWTKeys?
        if let secret = configuration.jwtSecret { keys = try await JWTKeys.secret(secret) }
        if let path = configuration.jwtKeys {
            let file = try await JWTKeys.file(path)
            keys = keys?.adding(file) ?? file
        }
        guard let keys else {
            throw ConfigurationError(
                .missing,
                "Nothing is configured to verify tokens with: set jwt.secret (BELFRY_JWT_SECRET) or jwt.keys "
                    + "(BELFRY_JWT_KEYS), or for development --auth dev.")
        }
        return keys
    }
}
