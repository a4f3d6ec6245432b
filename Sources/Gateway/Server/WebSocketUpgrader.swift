import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Answers the handshake by NIO's own upgrader, then sets up a pipeline without a frame encoder: sessions write whole
/// frames, header included, in one buffer.
struct WebSocketUpgrader: NIOTypedHTTPServerProtocolUpgrader {
    typealias UpgradeResult = UpgradeChannel.Outcome

    let supportedProtocol = "websocket"
    let requiredUpgradeHeaders: [String] = []

    private let handshake: NIOTypedWebSocketServerUpgrader<Void>
    private let frameBytesMax: Int
    private let startSession: @Sendable (any Channel) throws -> Void

    /// - Parameters:
    ///   - refused: told, on the event loop, why a request does not become a WebSocket.
    ///   - startSession: puts the session's handlers into an upgraded channel.
    init(
        policy: UpgradePolicy, frameBytesMax: Int, refused: @escaping @Sendable (UpgradePolicy.Refusal) -> Void,
        startSession: @escaping @Sendable (any Channel) throws -> Void
    ) {
        self.frameBytesMax = frameBytesMax
        self.startSession = startSession
        self.handshake = NIOTypedWebSocketServerUpgrader<Void>(
            shouldUpgrade: { channel, head in
                if let refusal = policy.refusal(of: head) {
                    refused(refusal)
                    return channel.eventLoop.makeSucceededFuture(nil)
                }
                return channel.eventLoop.makeSucceededFuture(Self.responseHeaders(to: head, policy: policy))
            },
            upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() })
    }

    func buildUpgradeResponse(
        channel: any Channel, upgradeRequest: HTTPRequestHead, initialResponseHeaders: HTTPHeaders
    ) -> EventLoopFuture<HTTPHeaders> {
        handshake.buildUpgradeResponse(
            channel: channel, upgradeRequest: upgradeRequest, initialResponseHeaders: initialResponseHeaders)
    }

    func upgrade(channel: any Channel, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<UpgradeResult> {
        channel.eventLoop.makeCompletedFuture {
            try FirstRequestGuard.dismiss(from: channel)
            try channel.pipeline.syncOperations.addHandler(
                ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: frameBytesMax)))
            try startSession(channel)
            return .webSocket
        }
    }

    private static func responseHeaders(to head: HTTPRequestHead, policy: UpgradePolicy) -> HTTPHeaders {
        var headers = HTTPHeaders()
        let offered = head.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
        if let subprotocol = policy.subprotocol(offered: offered) {
            headers.add(name: "Sec-WebSocket-Protocol", value: subprotocol)
        }
        return headers
    }
}
