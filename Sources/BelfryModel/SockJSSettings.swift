/// How SockJS is served: what a setting can change of it. Bytes are bytes on the wire.
public struct SockJSSettings: Sendable, Hashable {
    /// The path below which it is served, such as `/stomp-ws`; empty for not at all.
    public var path = "/stomp-ws"
    /// Whether clients may use WebSockets for it. Without, those behind a proxy that breaks WebSockets lose no time.
    public var takesWebSockets = true
    /// Time without a frame after which a client is sent a heart-beat, so that no proxy takes the connection for dead.
    public var heartBeat: Duration = .seconds(25)
    /// Time for which a session is kept while its client has no request open to be answered by, and has taken what it
    /// was sent.
    public var disconnectDelay: Duration = .seconds(5)
    /// Bytes of one streamed response, after which the client asks for another: a browser keeps all of a response in
    /// memory until it ends.
    public var responseBytesMax = 128 * 1024
    /// Bytes of one request by which a client sends: clients gather what they send while such a request is under way.
    public var bodyBytesMax = 512 * 1024
    /// Whether each session's client gets a cookie `JSESSIONID`, for load balancers that keep its requests together by
    /// one. A session is then for requests with its cookie only.
    public var usesCookie = false
    /// Where the client's script is, for pages in an `iframe`: old browsers load it from there.
    public var clientURL = "https://cdn.jsdelivr.net/npm/sockjs-client@1.6.1/dist/sockjs.min.js"
    /// Whether a SUBSCRIBE without the header `ack` is acknowledged by `/app/ack` alone.
    public var acknowledgesByCommand = true

    public init() {}
}
