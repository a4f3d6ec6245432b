import BelfryModel
import NIOCore
import NIOEmbedded
import Node

@testable import WebSocket

/// A whole session on a channel, with its worker, against a client that does as it likes: nothing traps, what the node
/// writes is WebSocket frames and then at most one Close, what waits for the client is bounded, and at the end nothing
/// is left.
public enum FuzzedSession {
    /// Things that happen in one run at most.
    private static let eventsMax = 64
    private static let mask: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
    nonisolated(unsafe) private static let compression = WebSocketCompression(
        WebSocketCompression.Options(messageBytesMin: 64))

    /// Whether compression is agreed, then what happens, each with a byte that says what it is.
    public static func run(_ bytes: UnsafeRawBufferPointer) {
        var input = FuzzInput(bytes)
        let isCompressed = input.byte() & 1 == 1
        let node = FuzzNode()
        let dam = WriteDam()
        let agreed = PerMessageDeflate(offered: [WebSocketExtension(name: "permessage-deflate", parameters: [])])
            .map { WebSocketCompression.Agreed(compression, by: $0) }
        let channel = EmbeddedChannel(
            handlers: [
                dam,
                WebSocketHandler(
                    worker: node.worker, limits: FuzzNode.limits, compression: isCompressed ? agreed : nil),
            ], loop: node.loop.embedded)
        if let address = try? SocketAddress(ipAddress: "127.0.0.1", port: 1) { channel.connect(to: address, promise: nil) }
        var events = 0
        while !input.isEmpty, events < eventsMax {
            events += 1
            happen(&input, node, channel, dam)
            node.loop.run()
        }
        channel.close(promise: nil)
        node.loop.run()
        check(channel, isCompressed)
        node.end()
    }

    private static func happen(_ input: inout FuzzInput, _ node: FuzzNode, _ channel: EmbeddedChannel, _ dam: WriteDam) {
        switch input.byte() % 10 {
        case 0, 1, 2: receive(frame(0x81, input.bytes()), channel)
        case 3: receive(frame(input.byte(), input.bytes()), channel)
        case 4: receive(input.bytes(), channel)
        case 5: node.openChannels()
        case 6: node.publish(input.bytes())
        case 7: node.later(Int64(input.byte()))
        case 8:
            channel.isWritable = dam.isClosed
            dam.toggle()
            channel.pipeline.fireChannelWritabilityChanged()
        default:
            let isLate = input.byte() & 1 == 1
            channel.pipeline.fireUserInboundEventTriggered(
                isLate ? ChannelShouldQuiesceEvent() as Any : ChannelEvent.inputClosed)
        }
    }

    /// One read of the socket.
    private static func receive(_ bytes: [UInt8], _ channel: EmbeddedChannel) {
        guard channel.isActive else { return }
        channel.pipeline.fireChannelRead(ByteBuffer(bytes: bytes))
        channel.pipeline.fireChannelReadComplete()
    }

    /// A frame as a client sends it, whatever its first byte says.
    private static func frame(_ firstByte: UInt8, _ payload: [UInt8]) -> [UInt8] {
        var frame = [firstByte]
        if payload.count < 126 {
            frame.append(0x80 | UInt8(payload.count))
        } else {
            frame += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        }
        return frame + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    /// What the node wrote, read as a client would.
    private static func check(_ channel: EmbeddedChannel, _ isCompressed: Bool) {
        var bytes: [UInt8] = []
        while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { bytes += Array(buffer.readableBytesView) }
        var rest = bytes[...]
        var isClosed = false
        while let first = rest.popFirst() {
            mustHold(!isClosed, "nothing follows a Close")
            let second = rest.popFirst() ?? 0
            mustHold(second & 0x80 == 0, "a server masks nothing")
            var count = Int(second)
            if count == 126 { count = Int(rest.popFirst() ?? 0) << 8 | Int(rest.popFirst() ?? 0) }
            mustHold(count < 65_536 && rest.count >= count, "a frame is whole")
            let payload = rest.prefix(count)
            rest = rest.dropFirst(count)
            switch first {
            case 0x81: mustHold(String(validating: payload, as: UTF8.self) != nil, "text is UTF-8")
            case 0x82: break
            case 0xC1, 0xC2: mustHold(isCompressed, "nothing is compressed without an agreement")
            case 0x88:
                mustHold(count != 1 && count <= 125, "a Close has a code or nothing")
                isClosed = true
            case 0x8A: mustHold(count <= 125, "an answer to a ping is short")
            default: fatalError("This is no frame of a server: \(first)")
            }
        }
    }
}

/// Keeps what is flushed while the peer takes nothing.
private final class WriteDam: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private(set) var isClosed = false
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func flush(context: ChannelHandlerContext) {
        if !isClosed { context.flush() }
    }

    func toggle() {
        isClosed.toggle()
        if !isClosed { context?.flush() }
    }
}
