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

    /// Makes the receiver when the handler is added.
    private var open: ((WebSocketHandler) -> any WebSocketReceiver)?
    /// Who is told of everything; `nil` once it was told of the end.
    private var receiver: (any WebSocketReceiver)?
    /// The same until the socket is gone.
    private var owner: (any WebSocketReceiver)?
    private var input: WebSocketInput
    private var context: ChannelHandlerContext?
    private var output: WebSocketOutput
    private var discardedBytes = 0
    /// What has been read waits.
    private var isPaused = false
    private var isReading = false
    /// The peer sends nothing more: what it has sent is dealt with, and then the connection ends.
    private var isInputClosed = false
    private var isGone = false

    /// - Parameters:
    ///   - limits: of them `webSocketMessageBytesMax`.
    ///   - compression: if it was agreed on, with what belongs to the channel's event loop.
    ///   - open: makes the receiver, once, when the handler is added to its channel, which is active by then. The
    ///     receiver may close the WebSocket at once.
    public init(
        limits: Limits, compression: WebSocketCompression.Agreed? = nil,
        open: @escaping (WebSocketHandler) -> any WebSocketReceiver
    ) {
        self.open = open
        input = WebSocketInput(
            messageBytesMax: limits.webSocketMessageBytesMax, compression: compression?.compression)
        output = WebSocketOutput(compression: compression)
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
        if !input.isOpen {
            discardedBytes += bytes.readableBytes
            if discardedBytes > Self.discardedBytesMax { return context.close(promise: nil) }
        }
        guard !input.isStopped else { return }
        receiver?.peerIsAlive()
        input.feed(bytes)
        readFrames()
    }

    /// Takes the frames that are there, until the receiver asks for a pause.
    private func readFrames() {
        // What a frame brings about may end a pause: the loop below goes on by itself then.
        guard !isReading else { return }
        isReading = true
        defer { isReading = false }
        while !isPaused, let event = input.next() {
            run(event)
            receiver?.frameHandled()
        }
    }

    private func run(_ event: WebSocketEvent) {
        switch event {
        case .none: break
        case .deliver(let part): receiver?.partReceived(part)
        case .pong(let payload):
            // It goes the way of everything else that is written, and counts like it.
            if isGone { return }
            output.appendPong(payload)
            receiver?.touch()
        case .answerClose(let code):
            output.appendClose(code: code, reason: "")
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
        guard isInputClosed, !isPaused || input.isStopped || !input.isOpen else { return }
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
        input.transportClosed()
        exchange(&receiver, with: nil)?.transportEnded(reason)
    }

    // MARK: SessionTransport

    public func append(byteCount: Int, isUTF8: Bool, _ write: (inout ByteBuffer) -> Void) {
        guard input.isOpen, !isGone else { return }
        output.append(byteCount: byteCount, isText: isUTF8, write)
    }

    public func flush(written: (@Sendable () -> Void)?) {
        guard let context, let bytes = output.take(isOpen: input.isOpen) else { return }
        let promise = written.map { written in
            let promise = context.eventLoop.makePromise(of: Void.self)
            promise.futureResult.whenSuccess(written)
            return promise
        }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
    }

    public var waitingBytes: Int {
        guard let context, !isGone else { return 0 }
        let inChannel = context.channel.isWritable ? 0 : context.channel.memoryForSocket
        return output.byteCount + inChannel
    }

    public var isWritable: Bool { context?.channel.isWritable ?? false }

    public func close(_ reason: CloseReason) {
        guard let context, input.closeSent() else { return }
        output.appendClose(code: reason.webSocketCode, reason: reason.text)
        flush(written: nil)
        let channel = context.channel
        let timeout = reason == .shuttingDown ? Self.shutdownTimeout : Self.closeTimeout
        context.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        guard reason.failsTheConnection else { return }
        // RFC 6455, section 7.1.7: nothing more is read, and TCP is closed. Our direction first: closed as a whole,
        // with bytes that the peer has sent and we have not read, it would be reset, and the peer might not see why.
        input.stop()
        channel.close(mode: .output, promise: nil)
    }

    public func discardUnflushed() -> Bool {
        _ = output.take(isOpen: false)
        guard let context, !isGone else { return true }
        return context.channel.bytesForSocket == 0
    }

    public func abort() {
        // Closing, not closed: the peer's answer is not awaited, and nothing more is written.
        _ = input.closeSent()
        _ = output.take(isOpen: false)
        context?.channel.abort()
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
}
