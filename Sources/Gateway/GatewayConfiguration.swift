import BelfryModel
import HTTPServer
import Listening
import WebSocket

/// What a gateway needs to know at its start.
public struct GatewayConfiguration: Sendable {
    /// Where HTTP and WebSocket are served; loopback unless the operator chose another.
    public var http: Listener.Configuration
    /// Where STOMP over TCP is served; nowhere when absent.
    public var stomp: Listener.Configuration?
    /// Where the operators' console is served.
    public var console: Console = .off
    public var limits: Limits
    /// Set in development mode only: serves `/dev/…`.
    public var developmentRoutes: DevelopmentRoutes?
    /// Origins of pages that may connect, beside those of the host that they ask for; `*` is any.
    public var allowedOrigins: [String]
    /// Proxies whose word is taken for who their clients are, by the addresses that they connect from.
    public var trustedProxies: TrustedProxies
    /// Where these tell it in HTTP.
    public var forwarding: ForwardedHeader
    /// How WebSocket messages are compressed for clients that offer to take them so; `nil` for not at all.
    public var compression: WebSocketCompression.Options?
    public var sockJS = SockJSSettings()
    /// Serves what pages of the design before Belfry ask for of a user's history.
    public var servesEarlierPages = false
    public var version: String

    /// The operators' console: pages, views over HTTP and STOMP, and acts.
    public enum Console: Sendable {
        case off
        /// With everything else.
        case atHTTP
        /// At a port of its own, and only there.
        case own(Listener.Configuration)
    }

    public init(
        http: Listener.Configuration = .init(host: "127.0.0.1", port: 8080), stomp: Listener.Configuration? = nil,
        limits: Limits = Limits(), developmentRoutes: DevelopmentRoutes? = nil, allowedOrigins: [String] = [],
        trustedProxies: TrustedProxies = TrustedProxies(), forwarding: ForwardedHeader = .xForwarded,
        version: String = "dev"
    ) {
        self.http = http
        self.stomp = stomp
        self.limits = limits
        self.developmentRoutes = developmentRoutes
        self.allowedOrigins = allowedOrigins
        self.trustedProxies = trustedProxies
        self.forwarding = forwarding
        self.version = version
    }
}
