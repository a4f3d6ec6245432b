import Authentication
import JWTAuthentication
import Logging

/// Makes the authenticator that the settings ask for.
enum AuthenticatorChoice {
    /// Refuses to let other machines be whoever they say, unless the operator insists.
    ///
    /// - Throws: `ConfigurationError`.
    static func check(_ configuration: BelfryConfiguration) throws(ConfigurationError) {
        guard configuration.authentication == .dev, !configuration.devBeyondLoopback,
            let open = configuration.openAddresses.first
        else { return }
        throw ConfigurationError(
            .unsafe,
            "With auth 'dev' anybody who can reach this node can be any user, and \(open) is not a "
                + "loopback address: listen on 127.0.0.1 or [::1], use auth 'jwt', or, if that is intended, set "
                + "devBeyondLoopback (BELFRY_DEV_BEYOND_LOOPBACK, --dev-beyond-loopback) to true.")
    }

    /// - Throws: `ConfigurationError` when there is nothing to verify tokens with, and for what `check` refuses;
    ///   `JWTKeysError`.
    static func make(_ configuration: BelfryConfiguration, logger: Logger) async throws -> any Authenticator {
        switch configuration.authentication {
        case .dev:
            try check(configuration)
            for open in configuration.openAddresses {
                logger.warning(
                    "Anyone who reaches this node can be any user: auth is 'dev', and devBeyondLoopback is set.",
                    metadata: ["listen": "\(open)"])
            }
            return DevelopmentAuthenticator()
        case .jwt:
            let keys = try await keys(configuration)
            for sentence in keys.ignored { logger.notice("\(sentence)") }
            logger.info("Tokens are verified.", metadata: ["algorithms": "\(keys.algorithms.joined(separator: " "))"])
            return JWTAuthenticator(
                keys: keys, issuer: configuration.jwtIssuer, audience: configuration.jwtAudience,
                requiresExpiry: configuration.jwtRequireExpiry)
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
                "No key to verify tokens with is configured: set jwt.secret (BELFRY_JWT_SECRET) or jwt.keys "
                    + "(BELFRY_JWT_KEYS), or for development --auth dev.")
        }
        return keys
    }
}

extension BelfryConfiguration {
    /// Where a node listens and other machines can reach it.
    fileprivate var openAddresses: [ListenAddress] {
        [listen, stompListen].compactMap { $0 }.filter { !$0.isLoopback }
    }
}
