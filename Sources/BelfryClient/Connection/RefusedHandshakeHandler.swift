import NIOCore
import NIOHTTP1

/// Reads the answer of a server that makes no WebSocket: a status, and a sentence that says why.
final class RefusedHandshakeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private static let sentenceBytesMax = 512

    private let promise: EventLoopPromise<ConnectionEnd>
    private var head: HTTPResponseHead?
    private var sentence = ByteBuffer()

    /// - Parameter promise: of the reason.
    init(_ promise: EventLoopPromise<ConnectionEnd>) {
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(var part):
            let room = Self.sentenceBytesMax - sentence.readableBytes
            if let start = part.readSlice(length: min(room, part.readableBytes)) {
                sentence.writeImmutableBuffer(start)
            }
        case .end: finish()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish()
    }

    private func finish() {
        guard let head else { return promise.succeed(.lost()) }
        let isText = head.headers.first(name: "content-type")?.hasPrefix("text/plain") ?? false
        let said = isText ? String(buffer: sentence).split(separator: "\n").first.map { ": \($0)" } : nil
        let text = "The server refused the WebSocket with \(head.status.code) \(head.status.reasonPhrase)\(said ?? ".")"
        promise.succeed(
            ConnectionEnd(
                BelfryClientError(.handshakeRefused, text),
                away: head.headers.first(name: "retry-after").flatMap(RetryAfter.seconds)))
    }
}
