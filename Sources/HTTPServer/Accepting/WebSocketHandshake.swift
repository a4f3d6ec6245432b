import NIOCore
import NIOHTTP1
import NIOWebSocket

/// The server's side of the opening handshake (RFC 6455, section 4.2).
enum WebSocketHandshake {
    /// Whether a request asks for a WebSocket. Whether it gets one is for `UpgradePolicy` to say.
    static func isAsked(by head: HTTPRequestHead) -> Bool {
        head.headers.contains(name: "upgrade")
            && head.headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
    }

    /// The answer to a handshake that was let in.
    ///
    /// - Throws: what NIO finds wrong with it.
    static func answer(to handshake: AcceptedHandshake, channel: any Channel) throws -> ByteBuffer {
        var headers: Result<HTTPHeaders, any Error> = .failure(ChannelError.inappropriateOperationForState)
        // The future is fulfilled already: so is the one of `shouldUpgrade`.
        upgrader(handshake).buildUpgradeResponse(
            channel: channel, upgradeRequest: handshake.head, initialResponseHeaders: HTTPHeaders()
        ).assumeIsolated().whenComplete { headers = $0 }
        var answer = channel.allocator.buffer(capacity: 192)
        answer.writeStaticString("HTTP/1.1 101 Switching Protocols\r\n")
        for (name, value) in try headers.get() { answer.writeString("\(name): \(value)\r\n") }
        answer.writeStaticString("\r\n")
        return answer
    }

    /// NIO's upgrader, which makes the answer's headers.
    private static func upgrader(_ handshake: AcceptedHandshake) -> NIOTypedWebSocketServerUpgrader<Void> {
        NIOTypedWebSocketServerUpgrader(
            shouldUpgrade: { channel, _ in
                var headers = HTTPHeaders()
                if let subprotocol = handshake.subprotocol {
                    headers.add(name: "Sec-WebSocket-Protocol", value: subprotocol)
                }
                if let compression = handshake.compression {
                    headers.add(name: "Sec-WebSocket-Extensions", value: compression.answer)
                }
                return channel.eventLoop.makeSucceededFuture(headers)
            },
            upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() })
    }
}
