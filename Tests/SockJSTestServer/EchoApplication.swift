import BelfryModel
import NIOCore
import Node
import SockJS
import WebSocket

/// Sends every message back, as the protocol's own suite expects of a service.
final class EchoApplication: SockJSApplication {
    private let transport: any SessionTransport
    private var assembler = WebSocketMessageAssembler()

    init(_ transport: any SessionTransport) { self.transport = transport }

    var isStranger: Bool { false }

    func partReceived(_ part: WebSocketMessagePart) {
        guard let message = assembler.add(part) else { return }
        transport.append(byteCount: message.readableBytes, isUTF8: part.isText) { $0.writeImmutableBuffer(message) }
    }

    func readCompleted() { transport.flush(written: nil) }
    func touch() { transport.flush(written: nil) }
    func fail(_ reason: CloseReason) { transport.close(reason) }
    func peerIsAlive() {}
    func frameHandled() {}
    func becameWritable() {}
    func transportEnded(_ reason: CloseReason) {}
    func transportClosed() {}
}
