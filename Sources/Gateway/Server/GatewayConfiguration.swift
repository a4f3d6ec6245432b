import BelfryModel

/// What a gateway needs to know at its start.
public struct GatewayConfiguration: Sendable {
    /// Address to listen on; loopback unless the operator chose another.
    public var host: String
    /// Port to listen on; 0 lets the system choose.
    public var port: Int
    public var limits: Limits
    /// Set in development mode only: serves `/dev/…`.
    public var developmentRoutes: DevelopmentRoutes?
    /// Origins of pages that may connect; any when empty.
    public var allowedOrigins: [String]
    public var version: String

    public init(
        host: String = "127.0.0.1", port: Int = 8080, limits: Limits = Limits(),
        developmentRoutes: DevelopmentRoutes? = nil, allowedOrigins: [String] = [], version: String = "dev"
    ) {
        self.host = host
        self.port = port
        self.limits = limits
        self.developmentRoutes = developmentRoutes
        self.allowedOrigins = allowedOrigins
        self.version = version
    }
}

/// What the demo page may do in development mode.
public struct DevelopmentRoutes: Sendable {
    /// A shell line that inserts a notification, for the page to show.
    public var psql: String
    /// Inserts a notification and returns its id; throws a sentence for the page.
    public var notify: @Sendable (_ receiver: String, _ type: String, _ dataJSON: String) async throws -> String

    public init(
        psql: String,
        notify: @escaping @Sendable (_ receiver: String, _ type: String, _ dataJSON: String) async throws -> String
    ) {
        self.psql = psql
        self.notify = notify
    }
}
