import BelfryModel
import NIOCore

/// A WebSocket as the transport of a session: runs the actions of `WebSocketMachine`, gathers what the session writes and
/// flushes it in one write.
final class WebSocketHandler: ChannelInboundHandler, SessionTransport {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Time that the peer has to answer our Close frame, and to take what was written before it.
    static let closeTimeout = TimeAmount.seconds(5)
    /// The same while the process is asked to stop.
    static let shutdownTimeout = TimeAmount.seconds(2)
    /// Bytes that a peer may still send after our Close; more, and it is not waited for any longer.
    static let discardedBytesMax = 1024 * 1024

    private let shard: Shard
    private var reader: WebSocketFrameReader
    private var machine = WebSocketMachine()
    private var session: Session?
    private var context: ChannelHandlerContext?
    private var outbound = ByteBuffer()
    private var discardedBytes = 0
    /// Where the peer's next frame begins is not known any more.
    private var isUnreadable = false

    init(shard: Shard) {
        self.shard = shard
        reader = WebSocketFrameReader(payloadBytesMax: shard.limits.webSocketFrameBytesMax)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        session = shard.open(transport: self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end(.connectionLost)
        self.context = nil
        shard.transportClosed()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if !machine.isOpen {
            discardedBytes += bytes.readableBytes
            if discardedBytes > Self.discardedBytesMax { return context.close(promise: nil) }
        }
        guard !isUnreadable else { return }
        reader.feed(bytes)
        do throws(WebSocketFrameReader.Failure) {
            while let frame = try reader.next() { frameReceived(frame, context: context) }
        } catch {
            isUnreadable = true
            reader = WebSocketFrameReader(payloadBytesMax: 0)
            switch error {
            case .tooLong: session?.fail(.frameTooLarge)
            case .controlFrame: session?.fail(.protocolViolation)
            }
        }
    }

    private func frameReceived(_ frame: ClientFrame, context: ChannelHandlerContext) {
        switch machine.frameReceived(frame) {
        case .none: break
        case .deliver(let bytes): session?.bytesReceived(bytes)
        case .pong(let payload):
            session?.peerIsAlive()
            WebSocketFrameWriter.writePong(payload, into: &outbound)
            flush(written: nil)
        case .answerClose(let code):
            WebSocketFrameWriter.writeClose(code: code, reason: "", into: &outbound)
            flush(written: nil)
            end(.clientDisconnected)
            context.close(promise: nil)
        case .closeTransport:
            context.close(promise: nil)
        case .fail(let reason):
            session?.fail(reason)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        session?.readCompleted()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { session?.becameWritable() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.connectionLost)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            session?.fail(.shuttingDown)
        } else if let event = event as? ChannelEvent, event == .inputClosed {
            context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(.connectionLost)
        context.close(promise: nil)
    }

    private func end(_ reason: CloseReason) {
        machine.transportClosed()
        session?.transportEnded(reason)
        session = nil
    }

    // MARK: SessionTransport

    func append(byteCount: Int, isText: Bool, _ write: (inout ByteBuffer) -> Void) {
        guard machine.isOpen else { return }
        let opcode = isText ? WebSocketFrameWriter.text : WebSocketFrameWriter.binary
        outbound.reserveCapacity(minimumWritableBytes: WebSocketFrameWriter.headerBytesMax + byteCount)
        WebSocketFrameWriter.writeHeader(opcode: opcode, length: byteCount, into: &outbound)
        write(&outbound)
    }

    func flush(written: (@Sendable () -> Void)?) {
        guard let context, outbound.readableBytes > 0 else { return }
        let promise = written.map { written in
            let promise = context.eventLoop.makePromise(of: Void.self)
            promise.futureResult.whenSuccess(written)
            return promise
        }
        // The channel keeps the buffer until the socket took it; a new one is made by the next append.
        context.writeAndFlush(wrapOutboundOut(outbound), promise: promise)
        outbound = ByteBuffer()
    }

    var waitingBytes: Int {
        guard let context else { return 0 }
        let inChannel = context.channel.isWritable ? 0 : Self.bufferedBytes(context.channel)
        return outbound.readableBytes + inChannel
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func close(_ reason: CloseReason) {
        guard let context, machine.closeSent() else { return }
        WebSocketFrameWriter.writeClose(code: reason.webSocketCode, reason: reason.text, into: &outbound)
        flush(written: nil)
        let channel = context.channel
        let timeout = reason == .shuttingDown ? Self.shutdownTimeout : Self.closeTimeout
        context.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        // The answer to our Close must be read, also from a client whose reading was stopped.
        setReading(true)
    }

    func setReading(_ isReading: Bool) {
        guard let context else { return }
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
        if isReading { context.read() }
    }

    private static func bufferedBytes(_ channel: any Channel) -> Int {
        (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}
