import BelfryModel
import HTTPServer

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
