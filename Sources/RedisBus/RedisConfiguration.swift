import BelfryModel
import Bus

/// Where Redis is, who we are there, and how patient we are with it.
public struct RedisConfiguration: Sendable {
    public var host: String
    public var port: Int
    /// The ACL user; `nil` is Redis's `default` user.
    public var user: String?
    public var password: String?
    /// Selected for the sake of ACLs and monitoring: Redis's channels are the same in every database, so it is
    /// `keyPrefix` that keeps two installations apart.
    public var database: Int
    /// `rediss://`: TLS, with the certificate and its name verified. There is no way to turn that off.
    public var usesTLS: Bool
    /// A PEM file of the authorities to trust instead of the system's.
    public var certificateAuthorityFile: String?
    /// What the name of every channel starts with.
    public var keyPrefix: String

    /// Time for the TCP connection, and again for TLS and the first commands.
    public var connectTimeout: Duration = .seconds(5)
    /// Time without a byte from Redis after which a connection that waits for an answer is given up.
    public var answerTimeout: Duration = .seconds(1)
    /// Time without a byte from Redis after which a connection is probed with PING.
    public var quietInterval: Duration = .milliseconds(500)
    /// The pause before the first try to connect again; it doubles up to `retryPauseMax`.
    public var retryPauseFirst: Duration = .milliseconds(50)
    public var retryPauseMax: Duration = .seconds(2)

    /// Reads `redis://[user:password@]host[:port][/database]`, or the same with `rediss` and `?ca=/path/to/ca.pem`.
    ///
    /// User, password, and path of the authorities may be percent-encoded; an IPv6 address stands in brackets.
    ///
    /// - Parameter installation: whose messages they are; its id follows the prefix.
    /// - Throws: `BusError` with `.invalidConfiguration` and a sentence that names the part that is wrong, never the
    ///   password.
    public init(
        url: String, keyPrefix: String = ChannelNames.defaultPrefix, installation: UniqueID? = nil
    ) throws(BusError) {
        let parts = try RedisURL(parsing: url)
        host = parts.host
        port = parts.port
        user = parts.user
        password = parts.password
        database = parts.database
        usesTLS = parts.usesTLS
        certificateAuthorityFile = parts.certificateAuthorityFile
        self.keyPrefix = installation.map { ChannelNames(prefix: keyPrefix, installation: $0).prefix } ?? keyPrefix
    }

    /// Scheme, user, host, port and database; never the password.
    public var redactedDescription: String {
        let scheme = usesTLS ? "rediss" : "redis"
        let credentials = password == nil ? "" : "\(user ?? ""):***@"
        return "\(scheme)://\(credentials)\(location)/\(database)"
    }

    /// Host and port, for the sentences of errors.
    var location: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
