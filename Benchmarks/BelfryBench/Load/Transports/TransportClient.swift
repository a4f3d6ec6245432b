import CLinux
import Glibc
import NIOCore

/// One client on one connection: takes its steps, each once the one before is answered, and after the last counts the
/// messages that arrive, by the time of sending in their bodies.
///
/// It knows no framing: what it looks for stands in the bytes of every transport as it was sent.
final class TransportClient: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let timeDigits = 20
    /// How a chunked response ends; chunks of SockJS end with a line feed before it.
    private static let responseEnd = Array("\n\r\n0\r\n\r\n".utf8)

    private let steps: [ClientStep]
    private let timeMark: [UInt8]
    private let reopening: [UInt8]?
    private let tally: TransportTally
    private let ready: EventLoopPromise<Void>
    private var step = 0
    private var unread = ByteBuffer()

    /// - Parameters:
    ///   - reopening: sent when a chunked response ends.
    ///   - ready: succeeds when the last step is answered; fails with the connection.
    init(
        steps: [ClientStep], timeMark: [UInt8], reopening: [UInt8]?, tally: TransportTally,
        ready: EventLoopPromise<Void>
    ) {
        self.steps = steps
        self.timeMark = timeMark
        self.reopening = reopening
        self.tally = tally
        self.ready = ready
    }

    func channelActive(context: ChannelHandlerContext) {
        send(steps.first?.bytes ?? [], context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        ready.fail(LoadError("A connection was closed at step \(step + 1) of \(steps.count)."))
        tally.closed()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ready.fail(error)
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if unread.readableBytes == 0 { unread = bytes } else { unread.writeBuffer(&bytes) }
        while step < steps.count {
            guard let end = end(of: steps[step].answer, from: 0) else { return }
            unread.moveReaderIndex(forwardBy: end)
            step += 1
            if step < steps.count { send(steps[step].bytes, context) } else { ready.succeed() }
        }
        count()
        if let reopening, let end = end(of: Self.responseEnd, from: max(0, unread.readableBytes - 16)) {
            unread.moveReaderIndex(forwardBy: end)
            send(reopening, context)
        }
    }

    /// Notes all whole messages, and forgets what is read but for the beginning of a mark.
    private func count() {
        let now = MonotonicClock.nanoseconds
        while let start = end(of: timeMark, from: 0) {
            guard unread.readableBytes >= start + Self.timeDigits else { return }
            let digits =
                unread.viewBytes(at: unread.readerIndex + start, length: Self.timeDigits) ?? unread.readableBytesView
            tally.received(sent: digits.reduce(0) { $0 &* 10 &+ UInt64($1 &- 48) }, now: now)
            unread.moveReaderIndex(forwardBy: start + Self.timeDigits)
        }
        unread.moveReaderIndex(forwardBy: max(0, unread.readableBytes - timeMark.count))
        unread.discardReadBytes()
    }

    /// How many bytes from the first unread one there are up to the end of `mark`; nil when it is not there.
    private func end(of mark: [UInt8], from start: Int) -> Int? {
        unread.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress, start <= bytes.count,
                let found = memmem(base + start, bytes.count - start, mark, mark.count)
            else { return nil }
            return base.distance(to: UnsafeRawPointer(found)) + mark.count
        }
    }

    private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
    }
}
