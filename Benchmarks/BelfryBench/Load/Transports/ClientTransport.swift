/// A way to a node, as one of its clients speaks it.
enum ClientTransport: String, CaseIterable, Sendable {
    case webSocket = "WebSocket"
    case webSocketTLS = "WebSocket over TLS"
    case sockJSWebSocket = "SockJS websocket"
    case sockJSStreaming = "SockJS xhr-streaming"
    case stomp = "STOMP over TCP"

    /// Whether its connections begin with a TLS handshake.
    var isEncrypted: Bool { self == .webSocketTLS }

    /// Whether what the client sends goes by requests of its own, on a second connection.
    var sendsByRequest: Bool { self == .sockJSStreaming }

    /// What comes before the time of sending in a message's body: SockJS quotes the body once more.
    var timeMark: [UInt8] {
        switch self {
        case .webSocket, .webSocketTLS, .stomp: Array(#""t":""#.utf8)
        case .sockJSWebSocket, .sockJSStreaming: Array(#"\"t\":\""#.utf8)
        }
    }

    /// What opens the session of this number, and what its answer has in it; nil where the first frame does.
    func opening(_ session: Int) -> ClientStep? {
        switch self {
        case .webSocket, .webSocketTLS: Self.handshake("/ws", answer: "101 Switching Protocols")
        case .sockJSWebSocket: Self.handshake("/stomp-ws/000/s\(session)/websocket", answer: "101 Switching Protocols")
        case .sockJSStreaming: ClientStep(Self.request(session, "xhr_streaming"), answer: "\no\n")
        case .stomp: nil
        }
    }

    /// The next response's request, once a streamed one has ended.
    func reopening(_ session: Int) -> [UInt8] { Self.request(session, "xhr_streaming") }

    /// A STOMP frame, without its closing NUL, as this transport carries it.
    func packed(_ frame: String, session: Int) -> [UInt8] {
        switch self {
        case .webSocket, .webSocketTLS: Self.webSocketText(Array(frame.utf8) + [0])
        case .sockJSWebSocket: Self.webSocketText(Self.quoted(frame))
        case .sockJSStreaming: Self.request(session, "xhr_send", body: Self.quoted(frame))
        case .stomp: Array(frame.utf8) + [0]
        }
    }

    /// A JSON array with the frame as its only string.
    private static func quoted(_ frame: String) -> [UInt8] {
        Array("[\"\(frame.replacing("\n", with: "\\n"))\\u0000\"]".utf8)
    }

    private static func handshake(_ path: String, answer: String) -> ClientStep {
        let head =
            "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        return ClientStep(Array(head.utf8), answer: answer)
    }

    private static func request(_ session: Int, _ action: String, body: [UInt8] = []) -> [UInt8] {
        let head =
            "POST /stomp-ws/000/s\(session)/\(action) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            + "Content-Type: text/plain\r\nContent-Length: \(body.count)\r\n\r\n"
        return Array(head.utf8) + body
    }

    private static func webSocketText(_ payload: [UInt8]) -> [UInt8] {
        var frames = ClientFrames()
        frames.appendText(payload)
        return Array(UnsafeBufferPointer(start: frames.base, count: frames.count))
    }
}

/// Something that a client sends, and what must be in the answer before it goes on.
struct ClientStep: Sendable {
    let bytes: [UInt8]
    let answer: [UInt8]

    init(_ bytes: [UInt8], answer: String) {
        self.bytes = bytes
        self.answer = Array(answer.utf8)
    }
}
