import BelfryModel
import NIOCore
import Node

/// A WebSocket: runs the actions of `WebSocketMachine`, tells its receiver what comes of them, gathers what that writes
/// and flushes it in one write. As a session's transport it has the session for its receiver.
public final class WebSocketHandler: ChannelInboundHandler, SessionTransport {
    public typealias InboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    /// Time that the peer has to answer our Close frame, and to take what was written before it.
    public static let closeTimeout = TimeAmount.seconds(5)
    /// The same while the process is asked to stop.
    public static let shutdownTimeout = TimeAmount.seconds(2)
    /// Bytes that a peer may still send after our Close; more, and it is not waited for any longer.
    public static let discardedBytesMax = 1024 * 1024
    /// Pings between two flushes that are answered each for itself; of further ones the last is (RFC 6455, section
    /// 5.5.3).
    private static let pongsMax = 16

    /// Makes the receiver when the handler is added.
    private var open: ((WebSocketHandler) -> any WebSocketReceiver)?
    /// Who is told of everything; `nil` once it was told of the end.
    private var receiver: (any WebSocketReceiver)?
    /// The same until the socket is gone.
    private var owner: (any WebSocketReceiver)?
    private var reader: WebSocketFrameReader
    private var machine: WebSocketMachine
    private var context: ChannelHandlerContext?
    private var outbound = ByteBuffer()
    private var discardedBytes = 0
    /// Pings answered since the last flush, and the latest of those that were too many.
    private var pongs = 0
    private var latePing: ByteBuffer?
    /// What has been read waits.
    private var isPaused = false
    private var isReading = false
    /// The peer sends nothing more: what it has sent is dealt with, and then the connection ends.
    private var isInputClosed = false
    private var isGone = false
    /// Where the peer's next frame begins is not known any more.
    private var isUnreadable = false

    /// - Parameters:
    ///   - limits: of them `webSocketMessageBytesMax`.
    ///   - open: makes the receiver, once, when the handler is added to its channel, which is active by then. The
    ///     receiver may close the WebSocket at once.
    public init(limits: Limits, open: @escaping (WebSocketHandler) -> any WebSocketReceiver) {
        self.open = open
        reader = WebSocketFrameReader(payloadBytesMax: limits.webSocketMessageBytesMax)
        machine = WebSocketMachine(messageBytesMax: limits.webSocketMessageBytesMax)
    }

    // MARK: Channel events

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        guard let open = exchange(&open, with: nil) else { return }
        owner = open(self)
        receiver = owner
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        inputEnded(isGone: true)
        self.context = nil
        exchange(&owner, with: nil)?.transportClosed()
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if !machine.isOpen {
            discardedBytes += bytes.readableBytes
            if discardedBytes > Self.discardedBytesMax { return context.close(promise: nil) }
        }
        guard !isUnreadable else { return }
        receiver?.peerIsAlive()
        reader.feed(bytes)
        readFrames()
    }

    /// Takes the frames that are there, until the receiver asks for a pause.
    private func readFrames() {
        // What a frame brings about may end a pause: the loop below goes on by itself then.
        guard !isReading else { return }
        isReading = true
        defer { isReading = false }
        do throws(WebSocketFrameReader.Failure) {
            while !isPaused, !isUnreadable, let frame = try reader.next() {
                frameReceived(frame)
                receiver?.frameHandled()
            }
        } catch {
            stopReading()
            switch error {
            case .tooLong: receiver?.fail(.frameTooLarge)
            case .controlFrame: receiver?.fail(.protocolViolation)
            }
        }
    }

    /// Nothing that the peer sends from now on is looked at.
    private func stopReading() {
        isUnreadable = true
        reader = WebSocketFrameReader(payloadBytesMax: 0)
    }

    private func frameReceived(_ frame: ClientFrame) {
        switch machine.frameReceived(frame) {
        case .none: break
        case .deliver(let part): receiver?.partReceived(part)
        case .pong(let payload):
            // It goes the way of everything else that is written, and counts like it.
            if isGone { return }
            if pongs < Self.pongsMax {
                WebSocketFrameWriter.writePong(payload, into: &outbound)
                pongs += 1
            } else {
                latePing = payload
            }
            receiver?.touch()
        case .answerClose(let code):
            WebSocketFrameWriter.writeClose(code: code, reason: "", into: &outbound)
            flush(written: nil)
            end(.clientDisconnected)
            context?.close(promise: nil)
        case .closeTransport:
            context?.close(promise: nil)
        case .fail(let reason):
            receiver?.fail(reason)
        }
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        receiver?.readCompleted()
        context.fireChannelReadComplete()
    }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { receiver?.becameWritable() }
        context.fireChannelWritabilityChanged()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        inputEnded(isGone: true)
        context.fireChannelInactive()
    }

    /// The peer's bytes have ended. Acknowledgements that it sent before may wait for their turn: they count.
    private func inputEnded(isGone: Bool) {
        isInputClosed = true
        if isGone {
            self.isGone = true
            // What waited for the peer is gone with it, and with that a reason not to read what it had sent.
            receiver?.becameWritable()
        }
        endIfAllIsRead()
    }

    private func endIfAllIsRead() {
        guard isInputClosed, !isPaused || isUnreadable || !machine.isOpen else { return }
        if isGone { end(.connectionLost) } else { context?.close(promise: nil) }
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            receiver?.fail(.shuttingDown)
        } else if let event = event as? ChannelEvent, event == .inputClosed {
            inputEnded(isGone: false)
        }
        context.fireUserInboundEventTriggered(event)
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func end(_ reason: CloseReason) {
        machine.transportClosed()
        exchange(&receiver, with: nil)?.transportEnded(reason)
    }

    // MARK: SessionTransport

    public func append(byteCount: Int, isUTF8: Bool, _ write: (inout ByteBuffer) -> Void) {
        guard machine.isOpen, !isGone else { return }
        let opcode = isUTF8 ? WebSocketFrameWriter.text : WebSocketFrameWriter.binary
        outbound.reserveCapacity(minimumWritableBytes: WebSocketFrameWriter.headerBytesMax + byteCount)
        WebSocketFrameWriter.writeHeader(opcode: opcode, length: byteCount, into: &outbound)
        write(&outbound)
    }

    public func flush(written: (@Sendable () -> Void)?) {
        if let ping = latePing, machine.isOpen { WebSocketFrameWriter.writePong(ping, into: &outbound) }
        latePing = nil
        pongs = 0
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
        let inChannel = context.channel.isWritable ? 0 : Self.bufferedBytes(context.channel)
        return outbound.readableBytes + inChannel
    }

    public var isWritable: Bool { context?.channel.isWritable ?? false }

    public func close(_ reason: CloseReason) {
        guard let context, machine.closeSent() else { return }
        WebSocketFrameWriter.writeClose(code: reason.webSocketCode, reason: reason.text, into: &outbound)
        flush(written: nil)
        let channel = context.channel
        let timeout = reason == .shuttingDown ? Self.shutdownTimeout : Self.closeTimeout
        context.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        guard reason.failsTheConnection else { return }
        // RFC 6455, section 7.1.7: nothing more is read, and TCP is closed. Our direction first: closed as a whole,
        // with bytes that the peer has sent and we have not read, it would be reset, and the peer might not see why.
        stopReading()
        channel.close(mode: .output, promise: nil)
    }

    public func setReading(_ isReading: Bool) {
        isPaused = !isReading
        try? context?.channel.syncOptions?.setOption(.autoRead, value: isReading)
        guard isReading else { return }
        readFrames()
        guard !isPaused else { return }
        context?.read()
        endIfAllIsRead()
    }

    /// Bytes that NIO keeps for the socket.
    private static func bufferedBytes(_ channel: any Channel) -> Int {
        (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}
