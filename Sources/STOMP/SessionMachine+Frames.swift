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
        case .send, .ack, .nack: outsideOfTransactions(frame)
        case .disconnect: disconnect(frame)
        case .connect, .stomp:
            refuse(frame, "the session is connected already; open another connection for another session.")
        case .begin, .commit, .abort:
            refuse(frame, Self.transactionsSentence, message: "Transactions are not served.")
        case .connected, .message, .receipt, .error:
            refuse(frame, "only a server sends it.")
        }
    }

    private static let transactionsSentence = "transactions are not served yet; send the frames outside of one."

    /// "STOMP 1.2, Protocol Negotiation".
    private mutating func connect(_ frame: Frame) -> SessionAction {
        let supported = ProtocolVersion.v12
        let accepted = frame.headers["accept-version"].map { versions in
            versions.utf8.split(separator: UInt8(ascii: ",")).contains {
                $0.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != UInt8(ascii: " ") }
                    .elementsEqual(supported.rawValue.utf8)
            }
        }
        guard accepted == true else {
            return fail(
                .protocolViolation,
                "Supported protocol versions are \(supported.rawValue)\n"
                    + "\(frame.command.rawValue): name it in the header accept-version.",
                message: "The protocol version is not supported.", version: supported)
        }
        guard let heartBeat = frame.headers["heart-beat"].map(HeartBeatOffer.init) ?? HeartBeatOffer.none else {
            return refuse(
                frame, "the header heart-beat must be two whole numbers of milliseconds, such as 10000,10000.")
        }
        return .authenticate(ConnectRequest(headers: frame.headers, heartBeat: heartBeat))
    }

    /// "STOMP 1.2, SUBSCRIBE".
    private mutating func subscribe(_ frame: Frame) -> SessionAction {
        let headers = frame.headers
        guard let id = headers["id"], !id.isEmpty else {
            return refuse(frame, "it lacks the header id, which names the subscription within the session.")
        }
        guard id.utf8.count <= Subscription.idBytesMax else {
            return refuse(frame, "the header id is over \(Subscription.idBytesMax) bytes; choose a shorter one.")
        }
        guard index(ofSubscription: id) == nil else {
            return refuse(frame, "a subscription with the id '\(id)' exists already; choose another id.")
        }
        guard let text = headers["destination"] else {
            return refuse(frame, "it lacks the header destination, such as /user/queue/msg or /topic/news.")
        }
        let destination: Destination
        do throws(Destination.Invalid) {
            destination = try Destination(parsing: text)
        } catch {
            return refuse(frame, error.description, message: "The destination is not served.")
        }
        guard let ackMode = headers["ack"].map(AckMode.init(rawValue:)) ?? AckMode.auto else {
            return refuse(frame, "the header ack must be auto, client or client-individual.")
        }
        var lastMessageID: MessageID?
        if let text = headers["last-message-id"] {
            guard let last = text == "0" ? MessageID(rawValue: 0) : MessageID(text) else {
                return refuse(frame, "the header last-message-id must be a message-id that was received, or 0.")
            }
            lastMessageID = last
        }
        guard subscriptions.count < subscriptionsMax else {
            return refuse(
                frame,
                "the session has \(subscriptionsMax) subscriptions, and no more are allowed; UNSUBSCRIBE one first.",
                message: "Too many subscriptions.")
        }
        lastNumber &+= 1
        let subscription = Subscription(
            id: id, destination: destination, destinationText: text, ackMode: ackMode, number: lastNumber)
        subscriptions.append(subscription)
        let request = SubscriptionRequest(
            subscription: subscription, lastMessageID: lastMessageID, receipt: headers["receipt"])
        return .subscribe(request)
    }

    /// "STOMP 1.2, UNSUBSCRIBE".
    private mutating func unsubscribe(_ frame: Frame) -> SessionAction {
        guard let id = frame.headers["id"] else {
            return refuse(frame, "it lacks the header id, the one that SUBSCRIBE had.")
        }
        guard let index = index(ofSubscription: id) else {
            return refuse(frame, "there is no subscription with the id '\(id.prefix(100))'.")
        }
        return .unsubscribe(subscriptions.remove(at: index), receipt: frame.headers["receipt"])
    }

    /// "STOMP 1.2, SEND", "ACK" and "NACK", which alone may be of a transaction.
    private mutating func outsideOfTransactions(_ frame: Frame) -> SessionAction {
        guard frame.headers["transaction"] == nil else {
            return refuse(frame, Self.transactionsSentence, message: "Transactions are not served.")
        }
        return frame.command == .send ? .send(SendRequest(frame)) : acknowledge(frame)
    }

    /// "STOMP 1.2, ACK" and "NACK".
    private mutating func acknowledge(_ frame: Frame) -> SessionAction {
        guard let id = frame.headers["id"] else {
            return refuse(frame, "it lacks the header id, which must be the value of the MESSAGE's header ack.")
        }
        guard let ackID = AckID(id), ackID.subscription <= lastNumber else {
            return refuse(
                frame, "the id '\(id.prefix(100))' is not the value of an ack header of a MESSAGE of this session.")
        }
        guard subscription(number: ackID.subscription)?.ackMode != .auto else {
            return refuse(frame, "the subscription has the ack mode auto, in which nothing is acknowledged.")
        }
        let request = AckRequest(ackID: ackID, receipt: frame.headers["receipt"])
        return frame.command == .nack ? .refuse(request) : .acknowledge(request)
    }

    /// "STOMP 1.2, DISCONNECT".
    private mutating func disconnect(_ frame: Frame) -> SessionAction {
        state = .closing
        return .disconnect(receipt: frame.headers["receipt"].map(Frame.receipt(for:)))
    }

    private mutating func refuse(_ frame: Frame, _ sentence: String, message: String? = nil) -> SessionAction {
        fail(
            .protocolViolation, "\(frame.command.rawValue): \(sentence)", message: message,
            receipt: frame.headers["receipt"])
    }
}
