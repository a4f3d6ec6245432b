import Gateway
import Listening
import Logging

/// The ports of a node, as the settings ask for them.
struct NodePorts: Sendable {
    /// Watches the certificate's files; `nil` when there is no certificate.
    let tls: ServerTLS?
    private let configuration: BelfryConfiguration

    /// Reads the certificate.
    ///
    /// - Throws: `ConfigurationError` when it is named by half, or when no proxy is trusted that could send a
    ///   PROXY header; `TLSError` when it can't be used.
    init(_ configuration: BelfryConfiguration, logger: Logger) throws {
        self.configuration = configuration
        guard
            !configuration.trustedProxies.isEmpty
                || !configuration.proxyProtocolHTTP && !configuration.proxyProtocolSTOMP
        else {
            throw ConfigurationError(
                .missing,
                "PROXY headers are taken of trusted proxies only: set trustedProxies (BELFRY_TRUSTED_PROXIES) to their "
                    + "addresses, or leave out proxyProtocol.")
        }
        switch (configuration.tlsCertificates, configuration.tlsKey) {
        case (let certificates?, let key?):
            tls = try ServerTLS(
                files: TLSFiles(
                    certificates: certificates, key: key, keyPassword: configuration.tlsKeyPassword,
                    minimumVersion: configuration.tlsMinimumVersion),
                interval: configuration.tlsReloadInterval, logger: logger)
        case (nil, nil): tls = nil
        case (let certificates, _):
            let missing = certificates == nil ? "tls.certificates" : "tls.key"
            throw ConfigurationError(
                .missing, "A certificate and its key belong together: set \(missing), too, or neither.")
        }
    }

    /// Where HTTP and WebSocket are served.
    var http: Listener.Configuration {
        Listener.Configuration(
            host: configuration.listen.host, port: configuration.listen.port,
            takesProxyHeaders: configuration.proxyProtocolHTTP, tls: configuration.tlsHTTP ? tls : nil)
    }

    /// Where the operators' console is served. In development mode everybody is an operator: on loopback only.
    var console: GatewayConfiguration.Console {
        let place = configuration.consoleListen ?? configuration.listen
        guard configuration.consoleEnabled, configuration.authentication != .dev || place.isLoopback else {
            return .off
        }
        return configuration.consoleListen == nil
            ? .atHTTP
            : .own(
                Listener.Configuration(
                    host: place.host, port: place.port, takesProxyHeaders: configuration.proxyProtocolHTTP,
                    tls: configuration.tlsHTTP ? tls : nil))
    }

    /// Where STOMP over TCP is served, if it is.
    var stomp: Listener.Configuration? {
        configuration.stompListen.map {
            Listener.Configuration(
                host: $0.host, port: $0.port, takesProxyHeaders: configuration.proxyProtocolSTOMP,
                tls: configuration.tlsSTOMP ? tls : nil)
        }
    }
}
