import Listening
import NIOCore
import NIOHTTP1

/// Why a request is not served, for the answer to it. The connection is closed behind it.
struct RequestRefusal: Hashable, Sendable {
    let status: HTTPResponseStatus
    /// A sentence for the developer of the client.
    let text: String
    /// What the header `Connection` says beside `close`.
    var connectionOptions: [String] = []
    /// Header fields beside those that every answer has.
    var fields: [Field] = []

    /// A header field.
    struct Field: Hashable, Sendable {
        let name: String
        let value: String
    }

    static func badRequest(_ text: String) -> RequestRefusal { RequestRefusal(status: .badRequest, text: text) }

    static func forbidden(_ text: String) -> RequestRefusal { RequestRefusal(status: .forbidden, text: text) }

    /// Bytes that are no HTTP. NIO says what is wrong with them, but not in words for a peer.
    static let notHTTP = badRequest("This is not an HTTP/1.1 request (RFC 9112).")

    static let headTooLarge = RequestRefusal(
        status: .requestHeaderFieldsTooLarge, text: "The request's head is longer than this server takes.")

    static let tooSlow = RequestRefusal(
        status: .requestTimeout, text: "The request was not complete in time: send it at once.")

    /// A handshake of a version that is not served (RFC 6455, section 4.4; RFC 9110, section 15.5.22).
    static let otherVersion = RequestRefusal(
        status: .upgradeRequired, text: "A handshake of version 13 of WebSocket is needed (RFC 6455).",
        connectionOptions: ["upgrade"],
        fields: [Field(name: "Upgrade", value: "websocket"), Field(name: "Sec-WebSocket-Version", value: "13")])

    /// A handshake that would be let in on a connection of its own.
    static func late(_ target: String) -> RequestRefusal {
        RequestRefusal(
            status: .temporaryRedirect,
            text: "Only a connection's first request may become a WebSocket: connect anew.",
            fields: [Field(name: "Location", value: target)])
    }

    /// A connection over a limit.
    static func of(_ refusal: ConnectionRefusal) -> RequestRefusal {
        RequestRefusal(
            status: refusal.isOfOneAddress ? .tooManyRequests : .serviceUnavailable, text: refusal.text,
            fields: [Field(name: "Retry-After", value: String(refusal.retryAfterSeconds))])
    }

    /// What a decoder's error means.
    static func of(_ error: HTTPParserError) -> RequestRefusal {
        error == .headerOverflow ? headTooLarge : notHTTP
    }

    /// The head of the answer; its body is `text` and a line feed.
    var head: HTTPResponseHead {
        var headers = HTTPHeaders(fields.map { ($0.name, $0.value) })
        headers.add(name: "Connection", value: (connectionOptions + ["close"]).joined(separator: ", "))
        headers.add(name: "Content-Type", value: "text/plain; charset=utf-8")
        headers.add(name: "Content-Length", value: String(text.utf8.count + 1))
        headers.add(name: "Date", value: HTTPDate.now)
        return HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    }

    /// The whole answer, for where there is no encoder.
    var bytes: ByteBuffer {
        var bytes = ByteBuffer(string: "HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n")
        for (name, value) in head.headers { bytes.writeString("\(name): \(value)\r\n") }
        bytes.writeString("\r\n\(text)\n")
        return bytes
    }
}
