import Glibc
import NIOCore

/// Lets a while pass when no connection can be accepted for want of descriptors or memory, instead of failing as fast
/// as one can: the socket stays readable. NIO's `AcceptBackoffHandler` holds back reads that are asked for, but the one
/// that failed stays asked for.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = Channel

    private static let length = TimeAmount.milliseconds(100)

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? IOError, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error.errnoCode) {
            let channel = context.channel
            try? channel.syncOptions?.setOption(.autoRead, value: false)
            context.eventLoop.scheduleTask(in: Self.length) {
                // A channel that was closed meanwhile refuses.
                try? channel.syncOptions?.setOption(.autoRead, value: true)
            }
        }
        context.fireErrorCaught(error)
    }
}
