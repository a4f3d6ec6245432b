import Authentication
import Foundation
import HTTPAuthentication
import JWTAuthentication
import Logging
import NIOPosix
import OutgoingHTTP
import PasswordAuthentication

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

    /// The authenticator, and what it needs while it is used.
    ///
    /// - Throws: `ConfigurationError` when there is nothing to verify tokens with, and for what `check` refuses;
    ///   `JWTKeysError`, `PasswordListError`.
    static func make(
        _ configuration: BelfryConfiguration, logger: Logger
    ) async throws -> (authenticator: any Authenticator, service: AuthenticationService) {
        var service = AuthenticationService()
        let authenticator = try await tokens(configuration, &service, logger)
        guard let path = configuration.passwords else {
            guard let authenticator else {
                throw ConfigurationError(
                    .missing, "With auth 'password' a list of logins is needed: set passwords (BELFRY_PASSWORDS).")
            }
            return (authenticator, service)
        }
        let passwords = try PasswordAuthenticator(file: path, next: authenticator, logger: logger)
        service.tasks.append { await passwords.run() }
        logger.info("Logins of a list are let in.", metadata: ["file": "\(path)", "logins": "\(passwords.count)"])
        return (passwords, service)
    }

    /// What lets in who has no login; `nil` when nobody else is let in.
    private static func tokens(
        _ configuration: BelfryConfiguration, _ service: inout AuthenticationService, _ logger: Logger
    ) async throws -> (any Authenticator)? {
        switch configuration.authentication {
        case .dev:
            try check(configuration)
            for open in configuration.openAddresses {
                logger.warning(
                    "Anyone who reaches this node can be any user: auth is 'dev', and devBeyondLoopback is set.",
                    metadata: ["listen": "\(open)"])
            }
            return DevelopmentAuthenticator()
        case .password: return nil
        case .http: return try application(configuration, &service, logger)
        case .jwt: return try await signedTokens(configuration, &service, logger)
        }
    }

    private static func application(
        _ configuration: BelfryConfiguration, _ service: inout AuthenticationService, _ logger: Logger
    ) throws(ConfigurationError) -> HTTPAuthenticator {
        guard let url = configuration.httpAuthURL else {
            throw ConfigurationError(
                .missing,
                "With auth 'http' the application must be named that knows the users: set httpAuth.url "
                    + "(BELFRY_HTTP_AUTH_URL).")
        }
        var settings = HTTPAuthenticator.Settings(url: url)
        if !configuration.httpAuthHeaders.isEmpty { settings.fields = configuration.httpAuthHeaders }
        settings.timeout = configuration.authTimeout
        settings.cacheFor = configuration.httpAuthCacheFor
        let client = client(connectionsMax: configuration.httpAuthConnectionsMax)
        service.clients.append(client)
        warnOfPlainHTTP(url, "httpAuth.url", logger)
        return HTTPAuthenticator(settings: settings, client: client, logger: logger)
    }

    private static func signedTokens(
        _ configuration: BelfryConfiguration, _ service: inout AuthenticationService, _ logger: Logger
    ) async throws -> JWTAuthenticator {
        let ring = JWTKeyRing()
        if let secret = configuration.jwtSecret { ring.replace(.secret, by: try await JWTKeys.secret(secret)) }
        if let path = configuration.jwtKeys {
            let file = try await JWTKeyFile(path, ring: ring, logger: logger)
            service.tasks.append { await file.run() }
        }
        guard configuration.jwtSecret != nil || configuration.jwtKeys != nil || configuration.jwtKeysURL != nil else {
            throw ConfigurationError(
                .missing,
                "No key to verify tokens with is configured: set jwt.secret (BELFRY_JWT_SECRET), jwt.keys "
                    + "(BELFRY_JWT_KEYS) or jwt.keysUrl (BELFRY_JWT_KEYS_URL), or for development --auth dev.")
        }
        var endpoint: JWTKeyEndpoint?
        if let url = configuration.jwtKeysURL {
            let client = client(connectionsMax: 1)
            service.clients.append(client)
            let made = JWTKeyEndpoint(
                url: url, client: client, ring: ring,
                pace: .init(interval: configuration.jwtKeysRefresh, timeout: configuration.authTimeout),
                logger: logger)
            warnOfPlainHTTP(url, "jwt.keysUrl", logger)
            // An issuer that is away does not stop the start: its tokens are told to come back.
            _ = await made.refresh()
            service.tasks.append { await made.run() }
            endpoint = made
        }
        logger.info(
            "Tokens are verified.", metadata: ["algorithms": "\(ring.keys.algorithms.joined(separator: " "))"])
        return JWTAuthenticator(
            keys: ring, endpoint: endpoint, issuer: configuration.jwtIssuer, audience: configuration.jwtAudience,
            requiresExpiry: configuration.jwtRequireExpiry)
    }

    /// On event loops of its own: what it does for one client is not to delay the others.
    private static func client(connectionsMax: Int) -> OutgoingHTTPClient {
        OutgoingHTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, connectionsMax: connectionsMax)
    }

    private static func warnOfPlainHTTP(_ url: String, _ setting: String, _ logger: Logger) {
        let parts = URLComponents(string: url)
        let isLocal = ["127.0.0.1", "localhost", "::1", "[::1]"].contains(parts?.host ?? "")
        guard parts?.scheme?.lowercased() == "http", !isLocal else { return }
        logger.warning(
            "Whoever is on the way can answer in its place and let anybody in: \(setting) is not https.",
            metadata: ["host": "\(parts?.host ?? "")"])
    }
}

extension BelfryConfiguration {
    /// Where a node listens and other machines can reach it.
    fileprivate var openAddresses: [ListenAddress] {
        [listen, stompListen].compactMap { $0 }.filter { !$0.isLoopback }
    }
}
