import BelfryModel
import Logging

/// Every setting with its value: the defaults, until `ConfigurationLoader` fills in what was set.
struct BelfryConfiguration: Sendable {
    /// How a session proves whose it is.
    enum Authentication: String, Sendable, CaseIterable {
        case jwt, dev
    }

    /// The form of the log on standard error.
    enum LogFormat: String, Sendable, CaseIterable {
        case text, json
    }

    var postgresURL: String?
    var postgresListenURL: String?
    var postgresPoolSize = 4
    var redisURL: String?
    var redisKeyPrefix = "belfry:"
    var listen = ListenAddress(host: "127.0.0.1", port: 8080)
    var relayListen: ListenAddress?
    var allowedOrigins: [String] = []
    var threads: Int?
    var authentication = Authentication.jwt
    var devBeyondLoopback = false
    var jwtSecret: String?
    var jwtKeys: String?
    var jwtIssuer: String?
    var jwtAudience: String?
    var jwtRequireExpiry = false
    var logLevel = Logger.Level.info
    var logFormat = LogFormat.text
    var limits = Limits()
}
