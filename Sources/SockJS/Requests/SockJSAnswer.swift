import HTTPServer
import NIOCore
import NIOHTTP1

/// A whole answer to a request, in the words of the protocol.
struct SockJSAnswer {
    /// Seconds for which what never changes may be kept: a year.
    private static let cacheSeconds = 31_536_000

    let status: HTTPResponseStatus
    var headers = HTTPHeaders()
    var body = ByteBuffer()

    static func text(_ status: HTTPResponseStatus, _ text: String) -> SockJSAnswer {
        SockJSAnswer(
            status: status, headers: ["Content-Type": "text/plain; charset=UTF-8"], body: ByteBuffer(string: text))
    }

    static let greeting = text(.ok, "Welcome to SockJS!\n")
    static let notFound = text(.notFound, "404: There is nothing here.\n")
    static let noSession = text(.notFound, "404: There is no such session, or no longer.\n")
    static let tooLarge = text(.payloadTooLarge, "413: The request is larger than this server takes.\n")
    static let busy = text(.serviceUnavailable, "503: Too many requests of this session wait; send one at a time.\n")
    static let full = text(.serviceUnavailable, "503: This node is full; connect again.\n")

    static func notAllowed(_ allowed: [String]) -> SockJSAnswer {
        SockJSAnswer(status: .methodNotAllowed, headers: ["Allow": allowed.joined(separator: ", ")])
    }

    /// To a browser that asks what it may do (CORS).
    static func options(_ allowed: [String]) -> SockJSAnswer {
        var answer = SockJSAnswer(status: .noContent, headers: cacheable)
        answer.headers.add(name: "Access-Control-Allow-Methods", value: allowed.joined(separator: ", "))
        answer.headers.add(name: "Access-Control-Max-Age", value: String(cacheSeconds))
        return answer
    }

    /// What a client asks before it chooses how to connect.
    static func info(takesWebSockets: Bool, needsCookie: Bool) -> SockJSAnswer {
        let body = """
            {"websocket":\(takesWebSockets),"origins":["*:*"],"cookie_needed":\(needsCookie),\
            "entropy":\(UInt32.random(in: 0...UInt32.max))}
            """
        return SockJSAnswer(
            status: .ok, headers: ["Content-Type": "application/json; charset=UTF-8"], body: ByteBuffer(string: body))
    }

    static func iframe(_ page: IframePage, known tags: [String]) -> SockJSAnswer {
        var headers = cacheable
        headers.add(name: "ETag", value: page.tag)
        if tags.contains(page.tag) { return SockJSAnswer(status: .notModified, headers: headers) }
        headers.add(name: "Content-Type", value: "text/html; charset=UTF-8")
        return SockJSAnswer(status: .ok, headers: headers, body: page.body)
    }

    /// To a request that has sent messages.
    static func sent(_ method: SockJSMethod) -> SockJSAnswer {
        // Some browsers take an answer without a body for a failure, and one without a type for XML.
        method == .jsonpSend
            ? text(.ok, "ok") : SockJSAnswer(status: .noContent, headers: ["Content-Type": "text/plain; charset=UTF-8"])
    }

    private static var cacheable: HTTPHeaders {
        [
            "Cache-Control": "public, max-age=\(cacheSeconds)",
            "Expires": HTTPDate.text(secondsFromNow: cacheSeconds),
        ]
    }
}
