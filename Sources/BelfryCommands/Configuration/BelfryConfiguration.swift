import BelfryModel
import HTTPServer
import Listening
import Logging
import WebSocket

/// Every setting with its value: the defaults, until `ConfigurationLoader` fills in what was set.
struct BelfryConfiguration: Sendable {
    /// How a session proves whose it is.
    enum Authentication: String, Sendable, CaseIterable {
        case jwt, password, http, dev
    }

    /// The form of the log on standard error.
    enum LogFormat: String, Sendable, CaseIterable {
        case text, json
    }

    var postgresURL: String?
    var postgresListenURL: String?
    var postgresPoolSize = 4
    var postgresRequestPoolSize = 4
    var redisURL: String?
    var redisKeyPrefix = "belfry:"
    var listen = ListenAddress(host: "127.0.0.1", port: 8080)
    var relayListen: ListenAddress?
    var consoleEnabled = true
    var consoleListen: ListenAddress?
    var stompListen: ListenAddress?
    var allowedOrigins: [String] = []
    var trustedProxies: [AddressRange] = []
    var forwardedHeader = ForwardedHeader.xForwarded
    var proxyProtocolHTTP = false
    var proxyProtocolSTOMP = false
    var tlsCertificates: String?
    var tlsKey: String?
    var tlsKeyPassword: String?
    var tlsMinimumVersion = TLSFiles.MinimumVersion.tls12
    var tlsHTTP = true
    var tlsSTOMP = true
    var tlsReloadInterval: Duration = .seconds(10)
    var webSocketCompression = false
    var webSocketCompressionLevel = 1
    var webSocketCompressedBytesMin = 256
    var threads: Int?
    var authentication = Authentication.jwt
    var devBeyondLoopback = false
    var jwtSecret: String?
    var jwtKeys: String?
    var jwtIssuer: String?
    var jwtAudience: String?
    var jwtRequireExpiry = false
    var jwtKeysURL: String?
    var jwtKeysRefresh: Duration = .seconds(600)
    var passwords: String?
    var httpAuthURL: String?
    var httpAuthHeaders: [String] = []
    var httpAuthCacheFor: Duration = .zero
    var httpAuthConnectionsMax = 32
    var authTimeout: Duration = .seconds(5)
    var logLevel = Logger.Level.info
    var logFormat = LogFormat.text
    var sockJS = SockJSSettings()
    var servesEarlierPages = false
    var limits = Limits()
    var retention = RetentionPolicy()
    var escalation = EscalationPolicy()
    var trace = TraceSettings()
    var otelEndpoint: String?
    var otelHeaders: String?
    var otelServiceName = "belfry"
    var otelQueueMax = 4_096

    /// How WebSocket messages are compressed; `nil` for not at all.
    var compression: WebSocketCompression.Options? {
        guard webSocketCompression else { return nil }
        return WebSocketCompression.Options(
            level: webSocketCompressionLevel, messageBytesMin: webSocketCompressedBytesMin)
    }
}
