import BelfryModel
import Logging
import Outbox
import Postgres
import RedisBus

/// What a process would do with a configuration, without starting it and without asking any other machine.
struct ConfigurationCheck {
    let configuration: BelfryConfiguration
    let roles: ProcessRoles

    /// Why the process would not start, as far as settings and files can tell: a sentence for each reason.
    func problems() async -> [String] {
        var problems: [String] = []
        func attempt(_ body: () async throws -> Void) async {
            do { try await body() } catch { problems.append(CommandFailure(error).description) }
        }
        await attempt { _ = try DatabaseConfiguration(configuration, applicationName: roles.name) }
        await attempt { try BelfryProcess.checkBus(configuration, roles) }
        await attempt { try BelfryProcess.checkEscalation(configuration, roles) }
        await attempt {
            guard let url = configuration.redisURL else { return }
            _ = try RedisConfiguration(url: url, keyPrefix: configuration.redisKeyPrefix)
        }
        await attempt { _ = try TraceService.collector(configuration, process: "") }
        guard roles.contains(.node) else { return problems }
        let quiet = Logger(label: "belfry.config", factory: { _ in SwiftLogNoOpLogHandler() })
        await attempt { try await checkAuthentication(quiet) }
        await attempt { _ = try NodePorts(configuration, logger: quiet) }
        return problems
    }

    /// Reads the keys and lists that are files. The issuer is not asked: that it is away stops no start.
    private func checkAuthentication(_ logger: Logger) async throws {
        var configuration = configuration
        if configuration.jwtKeysURL != nil {
            guard configuration.jwtSecret != nil || configuration.jwtKeys != nil || configuration.passwords != nil
            else {
                return
            }
            configuration.jwtKeysURL = nil
            // With the issuer's keys no others are needed; the list of logins is looked at all the same.
            if configuration.jwtSecret == nil, configuration.jwtKeys == nil { configuration.authentication = .password }
        }
        let made = try await AuthenticatorChoice.make(configuration, logger: logger)
        for client in made.service.clients { await client.shutdown() }
    }

    /// What would listen, connect and end, a line each.
    var plan: [(subject: String, text: String)] {
        var lines: [(String, String)] = []
        if roles.contains(.node) {
            lines.append(("HTTP", place(configuration.listen, configuration.tlsHTTP, services)))
            if let stomp = configuration.stompListen {
                lines.append(("STOMP", place(stomp, configuration.tlsSTOMP, "STOMP over TCP")))
            }
            lines.append(("console", console))
        } else {
            let port = configuration.relayListen.map { place($0, false, "/health, /metrics") }
            lines.append(("HTTP", port ?? "no port"))
        }
        let database = configuration.postgresURL.flatMap { try? PostgresConfiguration(url: $0, applicationName: "") }
        lines.append(("PostgreSQL", "\(database?.redactedDescription ?? "nowhere"), \(connections) connections"))
        let redis = configuration.redisURL.flatMap { try? RedisConfiguration(url: $0) }
        let isAlone = configuration.redisURL == nil && roles == [.relay, .node]
        lines.append(("Redis", isAlone ? "none, the bus is in memory" : redis?.redactedDescription ?? "nowhere"))
        if roles.contains(.node) { lines.append(("clients", clients)) }
        if roles.contains(.relay) { lines.append(("escalation", escalation)) }
        let end = BelfryProcess.endsWithin(configuration, roles).components.seconds
        lines.append(
            ("its end", "\(end) s after SIGTERM at most: TimeoutStopSec, terminationGracePeriodSeconds above that"))
        return lines
    }

    private var console: String {
        guard configuration.consoleEnabled else { return "not served" }
        let address = configuration.consoleListen ?? configuration.listen
        guard configuration.authentication != .dev || address.isLoopback else {
            return "not served: with auth dev everybody is an operator, and other machines can reach it"
        }
        return configuration.consoleListen.map { place($0, configuration.tlsHTTP, "/console") } ?? "/console with HTTP"
    }

    private var services: String {
        let sockJS = configuration.sockJS.path.isEmpty ? [] : ["SockJS at \(configuration.sockJS.path)"]
        return (["WebSocket at /ws"] + sockJS + ["/api", "/health, /metrics"]).joined(separator: ", ")
    }

    private func place(_ address: ListenAddress, _ mayTLS: Bool, _ what: String) -> String {
        let reach = address.isLoopback ? "this machine only" : "other machines can reach it"
        let tls = mayTLS && configuration.tlsCertificates != nil && roles.contains(.node) ? "TLS" : "no TLS"
        return "\(address) (\(reach), \(tls)): \(what)"
    }

    private var escalation: String {
        let policy = configuration.escalation
        guard policy.secret != nil || policy.secretFile != nil else { return "none, for want of a secret" }
        let urls = policy.allowedURLs
        return "webhooks to " + (urls.isEmpty ? "any server by https" : urls.joined(separator: ", "))
    }

    private var clients: String {
        switch configuration.authentication {
        case .dev: return "anybody is whoever they say (auth dev)"
        case .password: return "logins of the list"
        case .http: return "the application is asked"
        case .jwt:
            let keys = [
                configuration.jwtSecret == nil ? nil : "a secret", configuration.jwtKeys.map { "keys in \($0)" },
                configuration.jwtKeysURL == nil ? nil : "the issuer's keys",
            ].compactMap(\.self)
            let logins = configuration.passwords == nil ? "" : ", and logins of the list"
            return (keys.isEmpty ? "nobody, for want of a key" : "tokens by " + keys.joined(separator: ", ")) + logins
        }
    }

    /// As docs/operations.md counts them.
    private var connections: Int {
        var count = configuration.postgresPoolSize + (configuration.trace.isOn || roles.contains(.relay) ? 1 : 0)
        if roles.contains(.node) { count += 1 + configuration.postgresRequestPoolSize }
        if roles.contains(.relay) { count += 3 }
        return count
    }
}
