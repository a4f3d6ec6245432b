import Bus
import NIOCore

/// The last handler of a channel to Redis: bytes become replies, and everything goes to the link.
final class RedisChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: RedisLink
    private let reader: RESPReader
    private var hasFailed = false

    init(link: RedisLink) throws(BusError) {
        self.link = link
        reader = try RESPReader()
    }

    func channelActive(context: ChannelHandlerContext) {
        link.connected(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasFailed else { return }
        do {
            link.received(try reader.read(unwrapInboundIn(data)), on: context.channel)
        } catch {
            fail(error, context: context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        link.readCompleted(on: context.channel)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(link.failure("failed", error), context: context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        link.ended(link.failure("was closed by the other side"), of: context.channel)
    }

    private func fail(_ error: BusError, context: ChannelHandlerContext) {
        hasFailed = true
        link.ended(error, of: context.channel)
        context.close(promise: nil)
    }
}
