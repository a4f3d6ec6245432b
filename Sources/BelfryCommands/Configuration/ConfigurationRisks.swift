import BelfryModel
import Foundation
import HTTPServer

/// What a configuration lets happen that its operator may not want; none of it stops a start.
enum ConfigurationRisks {
    /// A sentence for each, with the setting that ends it.
    static func sentences(_ configuration: BelfryConfiguration, _ roles: ProcessRoles) -> [String] {
        var risks = links(configuration, roles)
        let escalation = configuration.escalation
        if roles.contains(.relay), escalation.secret != nil || escalation.secretFile != nil,
            escalation.allowedURLs.isEmpty
        {
            risks.append(
                "Operators can have the relay send webhooks to any server: name yours in escalation.allowedUrls.")
        }
        if roles.contains(.node) {
            risks += ports(configuration) + tokens(configuration)
        } else if configuration.relayListen == nil {
            risks.append("The relay has no port, so nothing can scrape or probe it: set relay.listen.")
        }
        return risks
    }

    /// The file's mode, where it holds secrets.
    static func ofFile(_ path: String?, _ origins: [SettingOrigin]) -> [String] {
        guard let path, origins.contains(where: { $0.setting.isSecret && $0.source.contains(path) }),
            let mode = try? FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int,
            mode & 0o044 != 0
        else { return [] }
        return [
            "The file '\(path)' holds secrets and can be read by others (mode \(String(mode, radix: 8))): "
                + "chmod 600, with Belfry's user as its owner."
        ]
    }

    private static func links(_ configuration: BelfryConfiguration, _ roles: ProcessRoles) -> [String] {
        var risks: [String] = []
        for (key, url) in [
            ("postgres.url", configuration.postgresURL), ("postgres.listenUrl", configuration.postgresListenURL),
        ] {
            guard let url, let host = URLComponents(string: url)?.host, !isLocal(host),
                !url.contains("sslmode=verify-full"), !url.contains("sslmode=verify-ca")
            else { continue }
            risks.append("Nothing proves that \(host) is the database: add sslmode=verify-full to \(key).")
        }
        guard let redis = configuration.redisURL else {
            if roles == [.relay, .node] {
                risks.append(
                    "The bus is in memory: this must be the only process of the installation, or set redis.url.")
            }
            return risks
        }
        let parts = URLComponents(string: redis)
        guard let host = parts?.host, !isLocal(host) else { return risks }
        if parts?.scheme == "redis" {
            risks.append("Messages go to Redis at \(host) without TLS: use rediss:// in redis.url.")
        }
        if parts?.password == nil {
            risks.append("Redis at \(host) is asked without a password: whoever reaches it can send to every client.")
        }
        return risks
    }

    private static func ports(_ configuration: BelfryConfiguration) -> [String] {
        var risks: [String] = []
        let hasCertificate = configuration.tlsCertificates != nil
        for (name, address, speaksTLS) in [
            ("listen", configuration.listen, configuration.tlsHTTP),
            ("stomp.listen", configuration.stompListen, configuration.tlsSTOMP),
        ] as [(String, ListenAddress?, Bool)] {
            guard let address, !address.isLoopback, !(hasCertificate && speaksTLS) else { continue }
            let proxies = configuration.trustedProxies.isEmpty
            risks.append(
                "Other machines can reach \(address) (\(name)) without TLS, and tokens pass there: "
                    + (proxies
                        ? "set tls.certificates and tls.key, or put a proxy with TLS in front (trustedProxies)."
                        : "let only the proxies in trustedProxies reach it, or set tls.certificates and tls.key."))
        }
        if configuration.allowedOrigins.contains("*") {
            risks.append("Pages of any site may connect (allowedOrigins is *): name the origins of your pages.")
        }
        let limits = configuration.limits
        if limits.connectionsMax <= limits.sessionsMax {
            risks.append(
                "Requests find no room once a node is full: limits.connectionsMax (\(limits.connectionsMax)) should be "
                    + "more than limits.sessionsMax (\(limits.sessionsMax)).")
        }
        return risks
    }

    private static func tokens(_ configuration: BelfryConfiguration) -> [String] {
        var risks: [String] = []
        switch configuration.authentication {
        case .dev:
            risks.append("Whoever reaches the node can be any user: auth is dev, for development only.")
        case .jwt:
            if !configuration.jwtRequireExpiry {
                risks.append("Tokens without exp are accepted and hold for ever: set jwt.requireExpiry to true.")
            }
            if configuration.jwtAudience == nil {
                risks.append("Tokens that the issuer made for other services are accepted too: set jwt.audience.")
            }
            if configuration.jwtIssuer == nil {
                risks.append("Nothing looks at who issued a token but its key: set jwt.issuer.")
            }
        case .http, .password: break
        }
        for (key, url) in [("jwt.keysUrl", configuration.jwtKeysURL), ("httpAuth.url", configuration.httpAuthURL)] {
            guard let url, let parts = URLComponents(string: url), parts.scheme?.lowercased() == "http",
                !isLocal(parts.host ?? "")
            else { continue }
            risks.append("Whoever is on the way can answer in its place and let anybody in: \(key) is not https.")
        }
        return risks
    }

    /// Of a URL: an IPv6 address stands in brackets, and no host is a socket of this machine.
    private static func isLocal(_ host: String) -> Bool {
        host.isEmpty || host.hasPrefix("/") || host.hasPrefix("%2F")
            || Loopback.contains(host.trimmingCharacters(in: CharacterSet(charactersIn: "[]")))
    }
}
