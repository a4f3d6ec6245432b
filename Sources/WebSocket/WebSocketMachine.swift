import BelfryModel
import NIOCore
import NIOWebSocket

/// The server's side of one WebSocket (RFC 6455) above its frames: fragmentation, control frames, text that must be
/// UTF-8, and the closing handshake. Pure: a handler runs the actions.
struct WebSocketMachine: ~Copyable {
    /// What the handler has to do.
    enum Action: Equatable {
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

    private enum State {
        case open(Fragment)
        /// Our Close frame is out; the peer's is awaited and its data ignored.
        case closing
        case closed
    }

    /// A message of which frames may follow.
    private enum Fragment {
        case none
        case text(UTF8Validator)
        case binary

        var isText: Bool { if case .text = self { true } else { false } }
    }

    private let messageBytesMax: Int
    private var state = State.open(.none)
    /// Bytes of the message that has begun.
    private var messageBytes = 0

    /// - Parameter messageBytesMax: the bound of one message, all its fragments together.
    init(messageBytesMax: Int) { self.messageBytesMax = messageBytesMax }

    /// A frame has arrived. The reader has already refused frames over its length limit.
    mutating func frameReceived(_ frame: ClientFrame) -> Action {
        guard !frame.hasReservedBits, frame.isMasked else { return violation(.protocolViolation) }
        switch (state, frame.opcode) {
        case (.closed, _):
            return .none
        case (.closing, .connectionClose):
            state = .closed
            return .closeTransport
        case (.closing, _):
            return .none
        case (.open, .connectionClose):
            guard frame.isFinal, frame.payload.readableBytes <= 125 else { return violation(.protocolViolation) }
            return peerCloses(frame.payload)
        case (.open, .ping):
            guard frame.isFinal, frame.payload.readableBytes <= 125 else { return violation(.protocolViolation) }
            return .pong(frame.payload)
        case (.open, .pong):
            guard frame.isFinal, frame.payload.readableBytes <= 125 else { return violation(.protocolViolation) }
            return .none
        case (.open(.none), .text):
            return data(frame, as: .text(UTF8Validator()))
        case (.open(.none), .binary):
            return data(frame, as: .binary)
        case (.open(let fragment), .continuation):
            if case .none = fragment { return violation(.protocolViolation) }
            return data(frame, as: fragment)
        case (.open, _):
            return violation(.protocolViolation)
        }
    }

    /// We send a Close frame. Returns `false` when one is out already.
    mutating func closeSent() -> Bool {
        guard case .open = state else { return false }
        state = .closing
        return true
    }

    /// The transport has ended.
    mutating func transportClosed() { state = .closed }

    /// Whether data frames may still be written.
    var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    private mutating func data(_ frame: ClientFrame, as fragment: Fragment) -> Action {
        let bytes = frame.payload
        // Neither is over the bound before.
        guard bytes.readableBytes <= messageBytesMax - messageBytes else { return violation(.frameTooLarge) }
        messageBytes = frame.isFinal ? 0 : messageBytes + bytes.readableBytes
        var fragment = fragment
        if case .text(var validator) = fragment {
            let isValid = bytes.withUnsafeReadableBytes { validator.consume($0) }
            guard isValid, !frame.isFinal || validator.isComplete else { return violation(.invalidUTF8) }
            fragment = .text(validator)
        }
        state = .open(frame.isFinal ? .none : fragment)
        guard frame.isFinal || bytes.readableBytes > 0 else { return .none }
        return .deliver(WebSocketMessagePart(bytes: bytes, isText: fragment.isText, isLast: frame.isFinal))
    }

    /// RFC 6455, section 5.5.1: an empty body, or a code of two bytes and a reason in UTF-8.
    private mutating func peerCloses(_ body: ByteBuffer) -> Action {
        var body = body
        guard body.readableBytes > 0 else {
            state = .closed
            return .answerClose(code: nil)
        }
        guard let code = body.readInteger(as: UInt16.self), Self.mayBeSent(code),
            body.withUnsafeReadableBytes(UTF8Validator.isValid)
        else { return violation(.protocolViolation) }
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

    private func violation(_ reason: CloseReason) -> Action { .fail(reason) }
}
