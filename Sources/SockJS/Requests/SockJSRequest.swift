import NIOCore
import NIOHTTP1

/// A request of a client's, as its head tells of it.
struct SockJSRequest {
    let service: SockJSService
    /// `nil` when there is nothing at its path.
    let resource: SockJSResource?
    let head: HTTPRequestHead
    /// The value of the session's cookie, where the service uses one.
    let cookie: String?
    /// What the body holds of it so far, for those that send.
    var body = ByteBuffer()

    /// - Returns: `nil` when the path is none of the services'.
    init?(_ head: HTTPRequestHead, services: [SockJSService]) {
        let path = head.uri.prefix { $0 != "?" }
        for service in services {
            guard let rest = service.rest(of: path) else { continue }
            self.service = service
            self.head = head
            resource = SockJSResource(rest)
            cookie = service.settings.usesCookie ? Self.cookie(of: head.headers) ?? service.makeCookie() : nil
            return
        }
        return nil
    }

    var binding: SessionBinding { SessionBinding(head.headers, cookie: cookie) }

    /// What stands behind the question mark.
    var query: Substring { head.uri.drop { $0 != "?" }.dropFirst() }

    /// The messages that it has sent.
    func messages() throws(MessageDecoder.Failure) -> MessageBatch {
        guard case .session(_, .jsonpSend) = resource, isForm else { return try MessageDecoder.array(body) }
        guard let field = FormField.value("d", in: body.readableBytesView) else { throw .nothing }
        return try MessageDecoder.array(ByteBuffer(bytes: field))
    }

    private var isForm: Bool {
        head.headers["content-type"].first?.lowercased().hasPrefix("application/x-www-form-urlencoded") == true
    }

    /// The header fields of every answer to it: who may read it, that nothing keeps it, and the cookie.
    var headers: HTTPHeaders {
        var headers = HTTPHeaders()
        headers.add(name: "X-Content-Type-Options", value: "nosniff")
        guard let resource else { return headers }
        if head.method != .OPTIONS, resource != .iframe, resource != .greeting {
            headers.add(name: "Cache-Control", value: "no-store, no-cache, must-revalidate, max-age=0")
        }
        if let cookie, case .session = resource {
            headers.add(name: "Set-Cookie", value: "\(SessionCookie.name)=\(cookie); path=/")
        }
        guard resource.isShared else { return headers }
        let origin = head.headers["origin"].first
        // Only pages that `RequestRules` lets in come here. Of `null` a browser would not take the name back.
        headers.add(name: "Access-Control-Allow-Origin", value: origin == "null" ? "*" : origin ?? "*")
        headers.add(name: "Access-Control-Allow-Credentials", value: "true")
        headers.add(name: "Vary", value: "Origin")
        if let asked = head.headers["access-control-request-headers"].first, !asked.isEmpty {
            headers.add(name: "Access-Control-Allow-Headers", value: asked)
        }
        return headers
    }

    private static func cookie(of headers: HTTPHeaders) -> String? { SessionCookie.value(in: headers["cookie"]) }
}

/// The cookie by which load balancers keep a session's requests together.
enum SessionCookie {
    static let name = "JSESSIONID"
    /// A load balancer may have added the name of a server to a value of ours.
    private static let bytesMax = 128

    /// - Parameter fields: the header fields `Cookie` of a request.
    /// - Returns: `nil` when it has none, or one that is no value of a cookie (RFC 6265, section 4.1.1).
    static func value(in fields: [String]) -> String? {
        for pair in fields.flatMap({ $0.split(separator: ";") }) {
            let pair = pair.drop { $0 == " " }
            guard pair.hasPrefix("\(name)=") else { continue }
            let value = pair.dropFirst(name.utf8.count + 1)
            let isValid =
                !value.isEmpty && value.utf8.count <= bytesMax
                && value.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"\",;\\".utf8.contains($0) }
            return isValid ? String(value) : nil
        }
        return nil
    }
}
