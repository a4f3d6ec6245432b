import BelfryModel
import NIOCore
import NIOWebSocket

/// What comes of a peer's frame, for the handler to do.
enum WebSocketEvent: Equatable {
    case none
    /// Part of a message.
    case deliver(WebSocketMessagePart)
    /// Answer a ping with the same bytes.
    case pong(ByteBuffer)
    /// The peer closes: echo its code and close the transport.
    case answerClose(code: UInt16?)
    /// The peer has answered our Close: close the transport.
    case closeTransport
    /// The peer broke the protocol: end the session with this reason.
    case fail(CloseReason)
}

/// The server's side of one WebSocket (RFC 6455) above its frames: fragmentation, control frames, the size of messages,
/// text that must be UTF-8, and the closing handshake. Pure: its owner inflates, and a handler does what comes of it.
struct WebSocketMachine: ~Copyable {
    /// What is to be done with a frame.
    enum Action: Equatable {
        case event(WebSocketEvent)
        /// Part of a compressed message: inflate it, and say `inflated` for what comes out.
        case inflate(ByteBuffer, isLast: Bool)
    }

    private enum State {
        case open
        /// Our Close frame is out; the peer's is awaited and its data ignored.
        case closing
        case closed
    }

    /// A message of which not all has come.
    private struct Message {
        let isText: Bool
        let isCompressed: Bool
        var validator = UTF8Validator()
        /// As they were sent.
        var byteCount = 0
        /// That came out of them; where nothing is compressed, 0.
        var inflatedBytes = 0
    }

    private let messageBytesMax: Int
    private let isCompressionAgreed: Bool
    private var state = State.open
    private var message: Message?

    /// - Parameters:
    ///   - messageBytesMax: the bound of one message, all its fragments together, compressed and inflated.
    ///   - isCompressionAgreed: messages may be compressed.
    init(messageBytesMax: Int, isCompressionAgreed: Bool = false) {
        self.messageBytesMax = messageBytesMax
        self.isCompressionAgreed = isCompressionAgreed
    }

    /// A frame has arrived, or part of a data frame. The reader has already refused frames over its length limit.
    mutating func frameReceived(_ part: ClientFramePart) -> Action {
        guard !part.hasReservedBits, part.isMasked else { return .event(.fail(.protocolViolation)) }
        switch (state, part.opcode) {
        case (.closed, _):
            return .event(.none)
        case (.closing, .connectionClose):
            state = .closed
            return .event(.closeTransport)
        case (.closing, _):
            return .event(.none)
        case (.open, .text), (.open, .binary), (.open, .continuation):
            return dataReceived(part)
        case (.open, _):
            return .event(controlReceived(part))
        }
    }

    /// Bytes of the compressed message that has begun.
    ///
    /// - Parameter isLast: the message ends with them.
    mutating func inflated(_ bytes: ByteBuffer, isLast: Bool) -> WebSocketEvent {
        guard isOpen, var message else { return .none }
        guard bytes.readableBytes <= messageBytesMax - message.inflatedBytes else { return .fail(.frameTooLarge) }
        message.inflatedBytes += bytes.readableBytes
        return deliver(bytes, of: message, isLast: isLast)
    }

    /// We send a Close frame. Returns `false` when one is out already.
    mutating func closeSent() -> Bool {
        guard isOpen else { return false }
        state = .closing
        message = nil
        return true
    }

    /// The transport has ended.
    mutating func transportClosed() { state = .closed }

    /// Whether data frames may still be written.
    var isOpen: Bool {
        switch state {
        case .open: true
        case .closing, .closed: false
        }
    }

    // MARK: Data

    private mutating func dataReceived(_ part: ClientFramePart) -> Action {
        if part.isFirst {
            let isContinuation = part.opcode == .continuation
            // RFC 7692, section 6.1: the bit stands in the first fragment of a compressed message only.
            guard isContinuation == (message != nil),
                !part.hasCompressionBit || isCompressionAgreed && !isContinuation
            else { return .event(.fail(.protocolViolation)) }
            if !isContinuation {
                message = Message(isText: part.opcode == .text, isCompressed: part.hasCompressionBit)
            }
        }
        guard var message else { return .event(.fail(.protocolViolation)) }
        let bytes = part.payload
        guard bytes.readableBytes <= messageBytesMax - message.byteCount else { return .event(.fail(.frameTooLarge)) }
        message.byteCount += bytes.readableBytes
        if message.isCompressed {
            self.message = message
            return .inflate(bytes, isLast: part.endsMessage)
        }
        return .event(deliver(bytes, of: message, isLast: part.endsMessage))
    }

    private mutating func deliver(_ bytes: ByteBuffer, of message: Message, isLast: Bool) -> WebSocketEvent {
        var message = message
        if message.isText {
            let isValid = bytes.withUnsafeReadableBytes { message.validator.consume($0) }
            guard isValid, !isLast || message.validator.isComplete else { return .fail(.invalidUTF8) }
        }
        self.message = isLast ? nil : message
        guard isLast || bytes.readableBytes > 0 else { return .none }
        return .deliver(WebSocketMessagePart(bytes: bytes, isText: message.isText, isLast: isLast))
    }

    // MARK: Control frames

    private mutating func controlReceived(_ frame: ClientFramePart) -> WebSocketEvent {
        guard frame.endsMessage, !frame.hasCompressionBit, frame.payload.readableBytes <= 125 else {
            return .fail(.protocolViolation)
        }
        switch frame.opcode {
        case .ping: return .pong(frame.payload)
        case .pong: return .none
        case .connectionClose: return peerCloses(frame.payload)
        default: return .fail(.protocolViolation)
        }
    }

    /// RFC 6455, section 5.5.1: an empty body, or a code of two bytes and a reason in UTF-8.
    private mutating func peerCloses(_ body: ByteBuffer) -> WebSocketEvent {
        var body = body
        guard body.readableBytes > 0 else {
            state = .closed
            return .answerClose(code: nil)
        }
        guard let code = body.readInteger(as: UInt16.self), Self.mayBeSent(code) else {
            return .fail(.protocolViolation)
        }
        guard body.withUnsafeReadableBytes(UTF8Validator.isValid) else { return .fail(.invalidUTF8) }
        state = .closed
        return .answerClose(code: code)
    }

    /// RFC 6455, section 7.4: codes that an endpoint may put into a Close frame.
    private static func mayBeSent(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
