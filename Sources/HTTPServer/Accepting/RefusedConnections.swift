import Listening
import NIOConcurrencyHelpers
import NIOCore

/// Connections that are told in HTTP why they are not served, before they have asked for anything.
final class RefusedConnections: Sendable {
    /// Such connections at once; further ones are closed without a word, so that refusing costs no descriptors.
    static let openMax = 256
    /// Time that the peer has to read the answer and to close. Were the socket closed at once while the peer still
    /// sends, its system would throw the answer away (RFC 9112, section 9.6).
    private static let farewellTimeout = TimeAmount.seconds(1)

    private let open = NIOLockedValueBox(0)

    /// - Throws: the refusal, when the connection is to be closed without an answer.
    func add(_ channel: any Channel, _ refusal: ConnectionRefusal) throws {
        let isTaken = open.withLockedValue { open in
            guard open < Self.openMax else { return false }
            open += 1
            return true
        }
        guard isTaken else { throw refusal }
        channel.closeFuture.whenComplete { [open] _ in open.withLockedValue { $0 -= 1 } }
        channel.eventLoop.scheduleTask(in: Self.farewellTimeout) { channel.close(promise: nil) }
        try channel.pipeline.syncOperations.addHandler(Answer(.of(refusal)))
    }

    private final class Answer: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let refusal: RequestRefusal

        init(_ refusal: RequestRefusal) { self.refusal = refusal }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(refusal.bytes), promise: nil)
            context.close(mode: .output, promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            let isInputClosed = (event as? ChannelEvent).map { $0 == .inputClosed } ?? false
            if isInputClosed || event is ChannelShouldQuiesceEvent { context.close(promise: nil) }
        }
    }
}
