import BelfryModel
import NIOCore
import Node

/// A TCP connection, with TLS or without, as the transport of a session: STOMP's bytes as they are, with a line feed
/// after each frame, which clients that read by lines wait for (STOMP 1.2, "STOMP Frames", allows it).
public final class TCPHandler: ChannelInboundHandler, SessionTransport {
    public typealias InboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    /// Time that the peer has to take what was written last, and to close.
    public static let closeTimeout = TimeAmount.seconds(5)
    /// The same while the process is asked to stop.
    public static let shutdownTimeout = TimeAmount.seconds(2)
    /// Bytes that a peer may still send after our end; more, and it is not waited for any longer.
    public static let discardedBytesMax = 1024 * 1024

    private let worker: Worker
    private let connection: ClientConnection
    private var session: Session?
    private var context: ChannelHandlerContext?
    private var outbound = ByteBuffer()
    private var discardedBytes = 0
    private var isOpened = false
    /// What has been read waits in the session.
    private var isPaused = false
    /// We have said farewell.
    private var isClosing = false
    /// The peer sends nothing more: what it has sent is dealt with, and then the connection ends.
    private var isInputClosed = false
    private var isGone = false

    /// - Parameters:
    ///   - worker: that of the channel's event loop.
    ///   - connection: what is known of the client.
    public init(worker: Worker, connection: ClientConnection = ClientConnection(transport: "tcp")) {
        self.worker = worker
        self.connection = connection
    }

    // MARK: Channel events

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // Behind TLS the connection is there already.
        if context.channel.isActive { open() }
    }

    public func channelActive(context: ChannelHandlerContext) {
        open()
        context.fireChannelActive()
    }

    private func open() {
        guard !isOpened else { return }
        isOpened = true
        session = worker.open(transport: self, of: connection)
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        inputEnded(isGone: true)
        self.context = nil
        if isOpened { worker.transportClosed() }
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard !isClosing else {
            discardedBytes += bytes.readableBytes
            if discardedBytes > Self.discardedBytesMax { context.close(promise: nil) }
            return
        }
        session?.peerIsAlive()
        session?.bytesReceived(bytes)
        session?.frameHandled()
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        session?.readCompleted()
        context.fireChannelReadComplete()
    }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { session?.becameWritable() }
        context.fireChannelWritabilityChanged()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        inputEnded(isGone: true)
        context.fireChannelInactive()
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            session?.fail(.shuttingDown)
        } else if let event = event as? ChannelEvent, event == .inputClosed {
            inputEnded(isGone: false)
        }
        context.fireUserInboundEventTriggered(event)
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// The peer's bytes have ended. Acknowledgements that it sent before may wait for their turn: they count.
    private func inputEnded(isGone: Bool) {
        isInputClosed = true
        if isGone {
            self.isGone = true
            // What waited for the peer is gone with it, and with that a reason not to read what it had sent.
            session?.becameWritable()
        }
        endIfAllIsRead()
    }

    private func endIfAllIsRead() {
        guard isInputClosed, !isPaused || isClosing else { return }
        if isGone {
            session?.transportEnded(.connectionLost)
            session = nil
        } else if session?.isClosing != true {
            // A peer that has sent DISCONNECT and closed its direction waits for the RECEIPT: that ends it.
            context?.close(promise: nil)
        }
    }

    // MARK: SessionTransport

    public func append(byteCount: Int, isUTF8: Bool, _ write: (inout ByteBuffer) -> Void) {
        guard !isClosing, !isGone else { return }
        // No frame is as short as a heart-beat.
        let isFrame = byteCount > 1
        outbound.reserveCapacity(minimumWritableBytes: byteCount + (isFrame ? 1 : 0))
        write(&outbound)
        if isFrame { outbound.writeInteger(UInt8(ascii: "\n")) }
    }

    public func flush(written: (@Sendable () -> Void)?) {
        guard let context, outbound.readableBytes > 0 else { return }
        let promise = written.map { written in
            let promise = context.eventLoop.makePromise(of: Void.self)
            promise.futureResult.whenSuccess(written)
            return promise
        }
        // The channel keeps the buffer until the socket took it; a new one is made by the next append.
        let bytes = exchange(&outbound, with: ByteBuffer())
        context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
    }

    public var waitingBytes: Int {
        guard let context, !isGone else { return 0 }
        let inChannel = context.channel.isWritable ? 0 : context.channel.memoryForSocket
        return outbound.readableBytes + inChannel
    }

    public var isWritable: Bool { context?.channel.isWritable ?? false }

    public func close(_ reason: CloseReason) {
        guard let context, !isClosing else { return }
        flush(written: nil)
        isClosing = true
        let channel = context.channel
        let timeout = reason == .shuttingDown ? Self.shutdownTimeout : Self.closeTimeout
        context.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        // Our direction first: closed as a whole, with bytes that the peer has sent and we have not read, it would be
        // reset, and the peer might not see why.
        channel.close(mode: .output, promise: nil)
    }

    public func discardUnflushed() -> Bool {
        outbound.clear()
        guard let context, !isGone else { return true }
        return context.channel.bytesForSocket == 0
    }

    public func abort() {
        outbound.clear()
        isClosing = true
        context?.channel.abort()
    }

    public func setReading(_ isReading: Bool) {
        isPaused = !isReading
        try? context?.channel.syncOptions?.setOption(.autoRead, value: isReading)
        guard isReading else { return }
        context?.read()
        endIfAllIsRead()
    }
}
