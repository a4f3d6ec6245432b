/// What a path below a service's prefix stands for (SockJS 0.3.3).
enum SockJSResource: Equatable {
    case greeting
    case info
    case iframe
    /// A WebSocket without SockJS's framing.
    case rawWebSocket
    case session(id: String, SockJSMethod)

    /// Bytes of the two parts of a path that the client chooses. Its own script takes 3 and 8.
    private static let partBytesMax = 128

    /// - Parameter rest: what stands behind the prefix, without the query, as it came.
    init?(_ rest: some StringProtocol) {
        switch rest {
        case "", "/": self = .greeting
        case "/info": self = .info
        case "/websocket": self = .rawWebSocket
        default:
            let parts = rest.split(separator: "/", omittingEmptySubsequences: false)
            if parts.count == 2, Self.isIframe(parts[1]) {
                self = .iframe
            } else if parts.count == 4, Self.isChosen(parts[1]), Self.isChosen(parts[2]),
                let method = SockJSMethod(rawValue: String(parts[3]))
            {
                // The first part is for load balancers only.
                self = .session(id: String(parts[2]), method)
            } else {
                return nil
            }
        }
    }

    /// The methods of HTTP that are served, as `Allow` lists them.
    var allowed: [String] {
        switch self {
        case .greeting, .iframe, .rawWebSocket: ["GET"]
        case .info: ["OPTIONS", "GET"]
        case .session(_, let method): method.allowed
        }
    }

    /// Whether pages of other origins read the answer (CORS).
    var isShared: Bool {
        switch self {
        case .greeting, .iframe, .rawWebSocket: false
        case .info: true
        case .session(_, let method): method.isShared
        }
    }

    /// `iframe.html`, or with a version: `iframe-1.6.1.html`.
    private static func isIframe(_ name: some StringProtocol) -> Bool {
        guard name.hasPrefix("iframe"), name.hasSuffix(".html"), name.utf8.count <= partBytesMax else { return false }
        return name.utf8.dropFirst(6).allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || "-._".utf8.contains(byte)
        }
    }

    private static func isChosen(_ part: some StringProtocol) -> Bool {
        !part.isEmpty && part.utf8.count <= partBytesMax && !part.contains(".")
    }
}

/// What a request does with a session: the last part of its path.
enum SockJSMethod: String, CaseIterable {
    case websocket
    case xhr
    case xhrStreaming = "xhr_streaming"
    case xhrSend = "xhr_send"
    case eventSource = "eventsource"
    case htmlFile = "htmlfile"
    case jsonp
    case jsonpSend = "jsonp_send"

    /// The form of the frames that it is answered by; `nil` when it gets none.
    var form: ResponseForm? {
        switch self {
        case .xhr: .xhrPolling
        case .xhrStreaming: .xhrStreaming
        case .eventSource: .eventSource
        case .htmlFile: .htmlFile
        case .jsonp: .jsonp
        case .websocket, .xhrSend, .jsonpSend: nil
        }
    }

    fileprivate var allowed: [String] {
        switch self {
        case .xhr, .xhrStreaming, .xhrSend: ["OPTIONS", "POST"]
        case .jsonpSend: ["POST"]
        case .websocket, .eventSource, .htmlFile, .jsonp: ["GET"]
        }
    }

    fileprivate var isShared: Bool {
        switch self {
        case .xhr, .xhrStreaming, .xhrSend, .eventSource: true
        case .websocket, .htmlFile, .jsonp, .jsonpSend: false
        }
    }
}
