import BelfryModel
import NIOCore

/// What a peer sends, from its bytes to what comes of them: reads the frames, inflates compressed messages piece by
/// piece, and asks the machine. Without sockets; the handler takes one event after the other, as long as it likes.
struct WebSocketInput: ~Copyable {
    private let compression: WebSocketCompression?
    private var reader: WebSocketFrameReader
    private var machine: WebSocketMachine
    /// Inflates the message that has begun.
    private var inflater: MessageInflater?
    /// Where the peer's next frame begins is not known any more, or is of no interest.
    private(set) var isStopped = false

    /// - Parameters:
    ///   - messageBytesMax: the bound of one message, all its fragments together, compressed and inflated.
    ///   - compression: the event loop's, if compression is agreed.
    init(messageBytesMax: Int, compression: WebSocketCompression? = nil) {
        self.compression = compression
        reader = WebSocketFrameReader(payloadBytesMax: messageBytesMax)
        machine = WebSocketMachine(messageBytesMax: messageBytesMax, isCompressionAgreed: compression != nil)
    }

    /// Whether neither side has closed.
    var isOpen: Bool { machine.isOpen }

    /// Takes what one read brought.
    mutating func feed(_ bytes: ByteBuffer) {
        if !isStopped { reader.feed(bytes) }
    }

    /// What comes of the next frame, or of the next piece of a compressed one; `nil` when more bytes are needed.
    mutating func next() -> WebSocketEvent? {
        guard !isStopped else { return nil }
        let event = if let inflater, inflater.hasInput { inflatedEvent(inflater) } else { frameEvent() }
        if case .fail = event { stop() }
        return event
    }

    /// We send a Close frame. Returns `false` when one is out already.
    mutating func closeSent() -> Bool {
        giveBackInflater()
        return machine.closeSent()
    }

    /// The transport has ended.
    mutating func transportClosed() {
        giveBackInflater()
        machine.transportClosed()
    }

    /// Nothing that the peer sends from now on is looked at.
    mutating func stop() {
        isStopped = true
        giveBackInflater()
        reader = WebSocketFrameReader(payloadBytesMax: 0)
    }

    private mutating func frameEvent() -> WebSocketEvent? {
        do throws(WebSocketFrameReader.Failure) {
            guard let part = try reader.next() else { return nil }
            switch machine.frameReceived(part) {
            case .event(let event): return event
            case .inflate(let bytes, let isLast): return inflate(bytes, isLast: isLast)
            }
        } catch {
            switch error {
            case .tooLong: return .fail(.frameTooLarge)
            case .controlFrame, .length: return .fail(.protocolViolation)
            }
        }
    }

    // MARK: Compressed messages

    private mutating func inflate(_ bytes: ByteBuffer, isLast: Bool) -> WebSocketEvent {
        guard let inflater = inflater ?? compression?.takeInflater() else { return .fail(.internalError) }
        self.inflater = inflater
        inflater.feed(bytes, isLast: isLast)
        return inflatedEvent(inflater)
    }

    private mutating func inflatedEvent(_ inflater: MessageInflater) -> WebSocketEvent {
        switch inflater.next() {
        case .bytes(let bytes):
            return machine.inflated(bytes, isLast: false)
        case .end(let bytes):
            giveBackInflater()
            return machine.inflated(bytes, isLast: true)
        case .failed(let reason):
            return .fail(reason)
        }
    }

    private mutating func giveBackInflater() {
        if let inflater { compression?.giveBack(inflater) }
        inflater = nil
    }
}
