/// A service that answers every request below a prefix of its own, by a handler that `PlainHTTP` is given, and may take
/// WebSockets at some of its paths. Pages may use it as they may connect: see `UpgradePolicy`.
public struct MountedService: Sendable {
    /// The kinds of WebSockets that are taken.
    public enum WebSocketKind: Sendable {
        /// Messages in the service's own form.
        case framed
        /// Messages as they are.
        case raw
    }

    /// Such as `/stomp-ws`, without a slash at its end.
    let prefix: String
    private let webSocketKind: @Sendable (Substring) -> WebSocketKind?

    /// - Parameters:
    ///   - prefix: begins with a slash and does not end with one.
    ///   - webSocketKind: what is taken at a path, of which it is told what stands behind the prefix; `nil` for
    ///     nothing.
    public init(prefix: String, webSocketKind: @escaping @Sendable (Substring) -> WebSocketKind?) {
        self.prefix = prefix
        self.webSocketKind = webSocketKind
    }

    /// Whether a path, without its query, is the service's.
    func contains(_ path: Substring) -> Bool {
        path.hasPrefix(prefix) && (path.utf8.count == prefix.utf8.count || path.dropFirst(prefix.count).first == "/")
    }

    /// What takes a WebSocket at a path that is the service's.
    func endpoint(at path: Substring) -> WebSocketEndpoint? {
        webSocketKind(path.dropFirst(prefix.count)).map { .mounted(prefix: prefix, isRaw: $0 == .raw) }
    }
}
