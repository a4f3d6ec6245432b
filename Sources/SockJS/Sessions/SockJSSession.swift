import BelfryModel
import NIOCore
import Node
import WebSocket

/// A session over HTTP: what its client sends comes by requests of their own, what goes to the client waits for one
/// that is open. Lives on the event loop of the request that it began with.
final class SockJSSession: SockJSTransport, @unchecked Sendable {
    /// Bytes given to a response and not yet taken by its socket, above which the client takes none; and below which it
    /// takes some again.
    private static let waterMarks = (low: 32 * 1024, high: 64 * 1024)

    let eventLoop: any EventLoop
    let binding: SessionBinding
    private let id: String
    private let service: SockJSService
    private var machine = SockJSMachine()
    private var clock: SessionClock
    private var timer: (deadline: NIODeadline, task: Scheduled<Void>)?
    /// Who is told of everything; `nil` once it was told of the end, or has ended the session.
    private var application: (any SockJSApplication)?
    /// The same until nothing is left of the session.
    private var owner: (any SockJSApplication)?
    private var response: OpenResponse?
    private var pending = PendingMessages()
    /// Bytes given to responses that no socket has taken.
    private var unwrittenBytes = 0
    private var isFull = false
    private var sends = SendQueue()
    private var reading = Reading.now
    private var isStranger = true
    private var isGone = false

    /// The response that is open, and how much still fits in it.
    private struct OpenResponse {
        let stream: ResponseStream
        var bytesLeft: Int
    }

    private enum Reading { case now, underWay, paused }

    /// - Parameter eventLoop: that of the request which begins it.
    init(id: String, binding: SessionBinding, service: SockJSService, eventLoop: any EventLoop) {
        self.id = id
        self.binding = binding
        self.service = service
        self.eventLoop = eventLoop
        clock = SessionClock(settings: service.settings, now: eventLoop.now)
    }

    // MARK: Requests that are answered by frames

    /// A request that wants to be answered by frames. On any event loop.
    ///
    /// - Parameter connection: what is known of the client by it, if the session may begin with it.
    func answer(_ stream: ResponseStream, of connection: ClientConnection) {
        run { [self] in arrived(stream, connection) }
    }

    private func arrived(_ stream: ResponseStream, _ connection: ClientConnection) {
        application?.peerIsAlive()
        switch machine.requestArrived() {
        case .open:
            begin(stream)
            write(ByteBuffer(staticString: "o"))
            open(connection)
        case .resume:
            begin(stream)
            clock.isAnswering(at: eventLoop.now)
            writePending()
        case .refuse(let frame):
            // Whether it arrives is no matter of the session's.
            stream.write(stream.frame(frame.payload), .response, on: eventLoop) { _ in }
        case .farewell(let frame):
            begin(stream)
            writePending()
            // After a form of one frame that has gone it waits for the next request.
            write(frame.payload, isLast: true)
        }
        keepTime()
    }

    private func begin(_ stream: ResponseStream) {
        response = OpenResponse(stream: stream, bytesLeft: service.settings.responseBytesMax)
    }

    private func open(_ connection: ClientConnection) {
        do {
            owner = try service.open(self, connection, eventLoop)
            // It may have ended the session already.
            if !machine.isEnded { application = owner }
        } catch {
            close(.internalError)
        }
    }

    /// The connection of a response has ended before the response. On any event loop.
    func lost(_ stream: ResponseStream) {
        run { [self] in
            if response?.stream === stream { interrupted() }
        }
    }

    /// The connection of a response is to come to an end, as the node is being stopped. On any event loop.
    func quiesce(_ stream: ResponseStream) {
        run { [self] in
            if response?.stream === stream { application?.fail(.shuttingDown) }
        }
    }

    /// Runs on the session's event loop, at once if this is it.
    private func run(_ body: @escaping @Sendable () -> Void) {
        if eventLoop.inEventLoop { body() } else { eventLoop.execute(body) }
    }

    // MARK: Requests that send

    /// What a request has sent. On any event loop.
    ///
    /// - Parameter answer: called on the session's, once the messages are taken, or when they can't be.
    func send(_ batch: MessageBatch, answer: @escaping @Sendable (SendQueue.Outcome) -> Void) {
        run { [self] in
            guard machine.isOpen else { return answer(.noSession) }
            application?.peerIsAlive()
            guard !sends.isFull else { return answer(.busy) }
            sends.append(batch, answer: answer)
            deliver()
        }
    }

    /// Hands on what was sent, until the application asks for a pause.
    private func deliver() {
        guard reading == .now else { return }
        reading = .underWay
        while reading == .underWay, let message = sends.next() {
            application?.partReceived(WebSocketMessagePart(bytes: message, isText: true, isLast: true))
            application?.frameHandled()
        }
        sends.settle()
        if reading == .underWay { reading = .now }
        application?.readCompleted()
        if isStranger, application?.isStranger == false {
            isStranger = false
            service.directory.becameKnown()
        }
    }

    func setReading(_ isReading: Bool) {
        switch (isReading, reading) {
        case (false, _): reading = .paused
        case (true, .paused):
            reading = .now
            deliver()
        case (true, .now), (true, .underWay): break
        }
    }

    // MARK: To the client

    func append(byteCount: Int, isUTF8: Bool, _ write: (inout ByteBuffer) -> Void) {
        guard machine.isOpen else { return }
        var message = ByteBuffer()
        message.reserveCapacity(byteCount)
        write(&message)
        // A message is text: what is none can't be told, and must not break what is.
        if !isUTF8 { message = ByteBuffer(string: String(buffer: message)) }
        pending.append(message)
    }

    func flush(written: (@Sendable () -> Void)?) {
        pending.flush(written: written)
        writePending()
        isFull = waitingBytes > Self.waterMarks.high
    }

    var waitingBytes: Int { pending.byteCount + unwrittenBytes }

    var isWritable: Bool { machine.isOpen && waitingBytes <= Self.waterMarks.high }

    private func writePending() {
        guard response != nil, let (payload, written) = pending.takeFrame() else { return }
        write(payload, written: written)
    }

    /// Writes a frame into the open response.
    private func write(_ payload: ByteBuffer, isLast: Bool = false, written: [@Sendable () -> Void] = []) {
        guard var response = exchange(&response, with: nil) else { return }
        let frame = response.stream.frame(payload)
        response.bytesLeft -= frame.readableBytes
        let isLast = isLast || response.stream.form.isPolling || response.bytesLeft <= 0
        // What is written may be taken before the call below returns, and bring about more.
        if isLast {
            machine.responseEnded()
        } else {
            self.response = response
        }
        // A session that is over is kept no longer for being asked.
        if machine.isAnswering { clock.isAnswering(at: eventLoop.now) }
        if machine.isOpen, !machine.isAnswering { clock.isWaiting(at: eventLoop.now) }
        let byteCount = frame.readableBytes
        unwrittenBytes += byteCount
        let ending: ResponseStream.Ending = !isLast ? .none : machine.isEnded ? .session : .response
        response.stream.write(frame, ending, on: eventLoop) { [self] isWritten in
            unwrittenBytes -= byteCount
            if isWritten { wrote(written) } else { interrupted() }
        }
        keepTime()
    }

    /// A frame has left for the socket.
    private func wrote(_ callbacks: [@Sendable () -> Void]) {
        for callback in callbacks { callback() }
        guard isFull, waitingBytes <= Self.waterMarks.low else { return }
        isFull = false
        application?.becameWritable()
    }

    // MARK: The end

    func close(_ reason: CloseReason) { end(CloseFrame(reason), isStopping: reason == .shuttingDown) }

    func close(_ frame: CloseFrame) { end(frame, isStopping: false) }

    /// - Parameter isStopping: the node is: nobody is to find the session any more who has been told of its end.
    private func end(_ frame: CloseFrame, isStopping: Bool) {
        let isAnswering = machine.isAnswering
        guard machine.close(frame) else { return }
        application = nil
        sends.end()
        pending.flush(written: nil)
        if isAnswering {
            writePending()
            write(frame.payload, isLast: true)
        }
        if isStopping, isAnswering { return disappear() }
        clock.isWaiting(at: eventLoop.now)
        keepTime()
    }

    /// What waits for a request is dropped, as it is with none of them.
    func discardUnflushed() -> Bool {
        pending = PendingMessages()
        return unwrittenBytes == 0
    }

    func abort() {
        application = nil
        sends.end()
        pending = PendingMessages()
        exchange(&response, with: nil)?.stream.abort()
        // Whoever comes back is told that it is over.
        _ = machine.close(CloseFrame(.tokenExpired))
        clock.isWaiting(at: eventLoop.now)
        keepTime()
    }

    /// What was written may not have arrived: the session is over, and whoever comes back is told so.
    private func interrupted() {
        guard machine.responseLost() else { return }
        response = nil
        leave(.connectionLost)
        clock.isWaiting(at: eventLoop.now)
        keepTime()
    }

    /// The application's session ends without it.
    private func leave(_ reason: CloseReason) {
        sends.end()
        pending = PendingMessages()
        exchange(&application, with: nil)?.transportEnded(reason)
    }

    private func disappear() {
        guard !isGone else { return }
        isGone = true
        timer?.task.cancel()
        timer = nil
        service.directory.remove(id, isStranger: isStranger)
        exchange(&owner, with: nil)?.transportClosed()
    }

    // MARK: Time

    /// Has the clock's deadline looked at when it has come. Most are put off before: a timer that comes too early costs
    /// less than one that is set anew each time.
    private func keepTime() {
        guard !isGone else { return }
        if let timer {
            if timer.deadline <= clock.deadline { return }
            timer.task.cancel()
        }
        let deadline = clock.deadline
        timer = (deadline, eventLoop.scheduleTask(deadline: deadline) { [self] in timePassed() })
    }

    private func timePassed() {
        timer = nil
        guard clock.deadline <= eventLoop.now else { return keepTime() }
        if response != nil {
            write(ByteBuffer(staticString: "h"))
        } else if machine.isOpen, unwrittenBytes > 0 {
            // The client can't come back before it has what it is being sent. Its connection has a bound for that.
            clock.isWaiting(at: eventLoop.now)
            keepTime()
        } else {
            if machine.close(.interrupted) { leave(.connectionLost) }
            disappear()
        }
    }
}
