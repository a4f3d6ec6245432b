import BelfryModel

/// What each frame of a client means.
extension SessionMachine {
    /// A frame came from the client.
    public mutating func frameReceived(_ frame: Frame) -> SessionAction {
        switch state {
        case .awaitingConnect:
            switch frame.command {
            case .connect, .stomp:
                return connect(frame)
            case .send, .subscribe, .unsubscribe, .ack, .nack, .begin, .commit, .abort, .disconnect, .connected,
                .message, .receipt, .error:
                return refuse(frame, "the first frame of a session must be CONNECT or STOMP.")
            }
        case .connected:
            return connectedFrame(frame)
        case .closing:
            return .none
        }
    }

    private mutating func connectedFrame(_ frame: Frame) -> SessionAction {
        switch frame.command {
        case .subscribe: subscribe(frame)
        case .unsubscribe: unsubscribe(frame)
        case .send: step(.send(SendRequest(frame)), of: frame)
        case .ack, .nack: acknowledge(frame)
        case .begin: begin(frame)
        case .commit: commit(frame)
        case .abort: abort(frame)
        case .disconnect: disconnect(frame)
        case .connect, .stomp:
            refuse(frame, "the session is connected already; open another connection for another session.")
        case .connected, .message, .receipt, .error:
            refuse(frame, "only a server sends it.")
        }
    }

    /// "STOMP 1.2, Protocol Negotiation".
    private mutating func connect(_ frame: Frame) -> SessionAction {
        guard let negotiated = negotiated(frame.headers) else {
            let versions = ProtocolVersion.allCases.map(\.rawValue)
            return fail(
                .protocolViolation,
                "Supported protocol versions are \(versions.joined(separator: " "))\n"
                    + "\(frame.command.rawValue): name one of them in the header accept-version.",
                message: "The protocol version is not supported.", versions: versions.joined(separator: ","))
        }
        version = negotiated
        let headers = version == .v10 ? frame.headers.trimmed : frame.headers
        guard let heartBeat = headers["heart-beat"].map(HeartBeatOffer.init) ?? HeartBeatOffer.none else {
            return refuse(
                frame, "the header heart-beat must be two whole numbers of milliseconds, such as 10000,10000.")
        }
        return .authenticate(ConnectRequest(headers: headers, heartBeat: heartBeat))
    }

    /// "STOMP 1.2, DISCONNECT".
    private mutating func disconnect(_ frame: Frame) -> SessionAction {
        state = .closing
        return .disconnect(receipt: frame.headers["receipt"].map(Frame.receipt(for:)))
    }

    mutating func refuse(_ frame: Frame, _ sentence: String, message: String? = nil) -> SessionAction {
        fail(
            .protocolViolation, "\(frame.command.rawValue): \(sentence)", message: message,
            receipt: frame.headers["receipt"])
    }
}
