import BelfryModel
import NIOCore
import Node
import WebSocket

/// A session over a WebSocket: SockJS's frames are the WebSocket's text messages. It lasts as long as the WebSocket
/// does, and its id means nothing. Lives on the event loop of its channel.
public final class SockJSWebSocket: WebSocketReceiver, SockJSTransport, @unchecked Sendable {
    private let webSocket: WebSocketHandler
    private let eventLoop: any EventLoop
    private let heartBeat: TimeAmount
    /// Who is told of everything; `nil` once it was told of the end.
    private var application: (any SockJSApplication)?
    /// The same until the socket is gone.
    private var owner: (any SockJSApplication)?
    private var assembler = WebSocketMessageAssembler()
    /// Messages that came in one of the WebSocket's and that the application has not taken.
    private var batch: MessageBatch?
    private var isPaused = false
    private var pending = PendingMessages()
    private var lastFrame: NIODeadline
    private var timer: Scheduled<Void>?
    private var isOpen = true

    /// Puts a session into a channel that has become a WebSocket; on its event loop.
    ///
    /// - Parameters:
    ///   - connection: what the handshake told of the client.
    ///   - limits: those of the WebSocket but for its messages, which the service has a bound of its own for.
    ///   - compression: if it was agreed on.
    /// - Throws: `ChannelError` when there is no worker for the channel.
    public static func add(
        to channel: any Channel, service: SockJSService, connection: ClientConnection, limits: Limits,
        compression: WebSocketCompression.Agreed? = nil
    ) throws {
        var limits = limits
        limits.webSocketMessageBytesMax = service.settings.bodyBytesMax
        let eventLoop = channel.eventLoop
        try channel.pipeline.syncOperations.addHandler(
            WebSocketHandler(limits: limits, compression: compression) { webSocket in
                let session = SockJSWebSocket(webSocket, eventLoop: eventLoop, settings: service.settings)
                session.begin(service, connection)
                return session
            })
    }

    private init(_ webSocket: WebSocketHandler, eventLoop: any EventLoop, settings: SockJSSettings) {
        self.webSocket = webSocket
        self.eventLoop = eventLoop
        heartBeat = TimeAmount(settings.heartBeat)
        lastFrame = eventLoop.now
    }

    private func begin(_ service: SockJSService, _ connection: ClientConnection) {
        write(ByteBuffer(staticString: "o"), written: nil)
        scheduleHeartBeat(in: heartBeat)
        do {
            owner = try service.open(self, connection, eventLoop)
            application = owner
        } catch {
            close(.internalError)
        }
    }

    // MARK: From the WebSocket

    public func partReceived(_ part: WebSocketMessagePart) {
        // The script's empty messages mean nothing.
        guard let message = assembler.add(part), message.readableBytes > 0, isOpen else { return }
        do throws(MessageDecoder.Failure) {
            batch = try MessageDecoder.arrayOrString(message)
        } catch {
            // The protocol wants no farewell here.
            isOpen = false
            stopTimer()
            exchange(&application, with: nil)?.transportEnded(.protocolViolation)
            webSocket.close(.protocolViolation)
            return
        }
        deliver()
    }

    /// Hands on the messages that are there, until the application asks for a pause.
    private func deliver() {
        while !isPaused, let message = batch?.next() {
            application?.partReceived(WebSocketMessagePart(bytes: message, isText: true, isLast: true))
            application?.frameHandled()
        }
        if batch?.isEmpty == true { batch = nil }
    }

    public func peerIsAlive() { application?.peerIsAlive() }
    public func frameHandled() { application?.frameHandled() }
    public func readCompleted() { application?.readCompleted() }
    public func becameWritable() { application?.becameWritable() }
    public func touch() { application?.touch() }
    public func fail(_ reason: CloseReason) { application?.fail(reason) }

    public func transportEnded(_ reason: CloseReason) {
        isOpen = false
        stopTimer()
        exchange(&application, with: nil)?.transportEnded(reason)
    }

    public func transportClosed() {
        isOpen = false
        stopTimer()
        exchange(&owner, with: nil)?.transportClosed()
    }

    // MARK: To the client

    public func append(byteCount: Int, isUTF8: Bool, _ write: (inout ByteBuffer) -> Void) {
        guard isOpen else { return }
        var message = ByteBuffer()
        message.reserveCapacity(byteCount)
        write(&message)
        if !isUTF8 { message = ByteBuffer(string: String(buffer: message)) }
        pending.append(message)
    }

    public func flush(written: (@Sendable () -> Void)?) {
        pending.flush(written: written)
        guard let (payload, written) = pending.takeFrame() else { return webSocket.flush(written: nil) }
        write(payload) { for callback in written { callback() } }
    }

    private func write(_ payload: ByteBuffer, written: (@Sendable () -> Void)?) {
        lastFrame = eventLoop.now
        webSocket.append(byteCount: payload.readableBytes, isUTF8: true) { $0.writeImmutableBuffer(payload) }
        webSocket.flush(written: written)
    }

    public var waitingBytes: Int { pending.byteCount + webSocket.waitingBytes }
    public var isWritable: Bool { webSocket.isWritable }

    public func setReading(_ isReading: Bool) {
        isPaused = !isReading
        // What came first is taken first.
        if isReading { deliver() }
        if !isReading || !isPaused { webSocket.setReading(isReading) }
    }

    // MARK: The end

    public func close(_ reason: CloseReason) { end(CloseFrame(reason), reason) }

    public func close(_ frame: CloseFrame) { end(frame, .clientDisconnected) }

    private func end(_ frame: CloseFrame, _ reason: CloseReason) {
        guard isOpen else { return }
        flush(written: nil)
        isOpen = false
        stopTimer()
        write(frame.payload, written: nil)
        webSocket.close(reason)
    }

    public func discardUnflushed() -> Bool {
        pending = PendingMessages()
        return webSocket.discardUnflushed()
    }

    public func abort() {
        isOpen = false
        stopTimer()
        webSocket.abort()
    }

    // MARK: Time

    private func scheduleHeartBeat(in time: TimeAmount) {
        timer = eventLoop.scheduleTask(in: time) { [weak self] in self?.timePassed() }
    }

    private func timePassed() {
        guard isOpen else { return }
        let due = lastFrame + heartBeat
        if due <= eventLoop.now { write(ByteBuffer(staticString: "h"), written: nil) }
        scheduleHeartBeat(in: max(.milliseconds(1), due - eventLoop.now))
    }

    private func stopTimer() {
        timer?.cancel()
        timer = nil
    }
}
