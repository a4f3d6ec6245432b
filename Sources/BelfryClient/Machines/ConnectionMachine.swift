import BelfryModel
import NIOCore
import STOMP

/// The client's side of one STOMP session, from the opening of its connection to its end. It has no socket and no
/// clock.
///
/// One method an event, one action back. It ends once; after that every event is answered with `.none`.
struct ConnectionMachine: ~Copyable {
    enum Action {
        case none
        case send(Frame)
        /// The session is there.
        case up(Headers, HeartBeatAgreement)
        case deliver(Frame)
        case answered(receipt: String, Headers)
        /// The Close frame that follows tells more; what does not come in time is not waited for.
        case awaitClose
        case end(ConnectionEnd)
    }

    private enum State {
        /// The socket is being connected, TLS and WebSocket included.
        case opening
        /// CONNECT was sent.
        case connecting
        case connected
        /// ERROR came.
        case failing(ServerError)
        /// DISCONNECT was sent.
        case disconnecting
        case ended
    }

    private static let disconnectReceipt = "disconnect"

    private let connectHeaders: Headers
    private let heartBeat: HeartBeatOffer
    private var state = State.opening

    /// - Parameters:
    ///   - host: the server's name, as STOMP 1.2 wants it.
    ///   - heartBeat: what is offered.
    init(host: String, token: String?, heartBeat: HeartBeatOffer) {
        var headers: Headers = [
            "accept-version": ProtocolVersion.v12.rawValue, "host": host,
            "heart-beat": "\(heartBeat.canSendMilliseconds),\(heartBeat.wantsMilliseconds)",
        ]
        if let token { headers.append("Authorization", "Bearer \(token)") }
        connectHeaders = headers
        self.heartBeat = heartBeat
    }

    /// Whether frames of requests may be sent.
    var isConnected: Bool {
        switch state {
        case .connected: true
        case .opening, .connecting, .failing, .disconnecting, .ended: false
        }
    }

    var isEnded: Bool {
        switch state {
        case .ended: true
        case .opening, .connecting, .connected, .failing, .disconnecting: false
        }
    }

    /// Whether what comes is read whoever stands still: it is no message that somebody has to take first.
    var isReadAnyway: Bool {
        switch state {
        case .opening, .connecting, .failing, .disconnecting, .ended: true
        case .connected: false
        }
    }

    /// The transport is there.
    mutating func opened() -> Action {
        switch state {
        case .opening:
            state = .connecting
            return .send(Frame(.connect, connectHeaders))
        case .connecting, .connected, .failing, .disconnecting, .ended: return .none
        }
    }

    mutating func frameReceived(_ frame: Frame) -> Action {
        switch state {
        case .connecting: return answeredToConnect(frame)
        case .connected: return received(frame)
        case .disconnecting: return receivedAtTheEnd(frame)
        case .opening, .failing, .ended: return .none
        }
    }

    /// The server's bytes are no STOMP.
    mutating func decodingFailed(_ error: FrameError) -> Action {
        let code = error.closeReason.errorCode
        return end(
            ConnectionEnd(
                code, "The server sent what this client does not take: \(error.message)", underlying: error))
    }

    /// A Close frame came.
    mutating func closeReceived(code: UInt16, reason: String) -> Action {
        switch state {
        case .failing(let error): end(error.end(code: code))
        case .disconnecting: end(Self.disconnected)
        case .opening, .connecting, .connected, .ended: end(.closed(code: code, reason: reason))
        }
    }

    /// The transport ended without a farewell, or could not be made.
    mutating func ended(_ end: ConnectionEnd) -> Action {
        switch state {
        case .failing(let error): self.end(error.end(code: nil))
        case .disconnecting: self.end(Self.disconnected)
        case .opening, .connecting, .connected, .ended: self.end(end)
        }
    }

    /// The time for what is awaited is over: for CONNECTED, a Close frame or a receipt.
    mutating func deadlinePassed() -> Action {
        switch state {
        case .opening, .connecting:
            end(ConnectionEnd(.timedOut, "The server did not answer in time."))
        case .failing(let error): end(error.end(code: nil))
        case .disconnecting: end(Self.disconnected)
        case .connected, .ended: .none
        }
    }

    /// The server's heart-beats stopped.
    mutating func heartBeatsMissed() -> Action {
        end(ConnectionEnd(.timedOut, "The server's heart-beats stopped."))
    }

    /// The program wants no more.
    mutating func disconnect() -> Action {
        switch state {
        case .opening, .connecting: return end(Self.disconnected)
        case .connected:
            state = .disconnecting
            return .send(Frame(.disconnect, ["receipt": Self.disconnectReceipt]))
        case .failing(let error): return end(error.end(code: nil))
        case .disconnecting, .ended: return .none
        }
    }

    private static var disconnected: ConnectionEnd {
        ConnectionEnd(.closed, CloseReason.clientDisconnected.text)
    }

    private mutating func end(_ end: ConnectionEnd) -> Action {
        if isEnded { return .none }
        state = .ended
        return .end(end)
    }
}

// MARK: Frames

extension ConnectionMachine {
    private mutating func answeredToConnect(_ frame: Frame) -> Action {
        switch frame.command {
        case .connected:
            guard frame.headers["version"] == ProtocolVersion.v12.rawValue else {
                return end(
                    ConnectionEnd(
                        .protocolViolation,
                        "The server speaks STOMP \(frame.headers["version"] ?? "1.0"); this client needs 1.2."))
            }
            state = .connected
            let offer = frame.headers["heart-beat"].flatMap(HeartBeatOffer.init) ?? .none
            return .up(frame.headers, HeartBeatAgreement(own: heartBeat, other: offer))
        case .error: return fail(frame)
        case .message, .receipt, .connect, .stomp, .send, .subscribe, .unsubscribe, .ack, .nack, .begin, .commit,
            .abort, .disconnect:
            return unexpected(frame)
        }
    }

    private mutating func received(_ frame: Frame) -> Action {
        switch frame.command {
        case .message: .deliver(frame)
        case .receipt: .answered(receipt: frame.headers["receipt-id"] ?? "", frame.headers)
        case .error: fail(frame)
        case .connected, .connect, .stomp, .send, .subscribe, .unsubscribe, .ack, .nack, .begin, .commit, .abort,
            .disconnect:
            unexpected(frame)
        }
    }

    /// Receipts of what was under way still count; messages come again.
    private mutating func receivedAtTheEnd(_ frame: Frame) -> Action {
        switch frame.command {
        case .receipt where frame.headers["receipt-id"] == Self.disconnectReceipt: end(Self.disconnected)
        case .receipt: .answered(receipt: frame.headers["receipt-id"] ?? "", frame.headers)
        case .error: fail(frame)
        case .message, .connected, .connect, .stomp, .send, .subscribe, .unsubscribe, .ack, .nack, .begin, .commit,
            .abort, .disconnect:
            .none
        }
    }

    private mutating func fail(_ frame: Frame) -> Action {
        state = .failing(ServerError(frame))
        return .awaitClose
    }

    private mutating func unexpected(_ frame: Frame) -> Action {
        end(ConnectionEnd(.protocolViolation, "The server sent \(frame.command.rawValue) where it makes no sense."))
    }
}
