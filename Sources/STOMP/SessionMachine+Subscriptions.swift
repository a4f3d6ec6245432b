import BelfryModel

/// Subscriptions, and answers to their messages.
extension SessionMachine {
    /// "STOMP 1.2, SUBSCRIBE".
    mutating func subscribe(_ frame: Frame) -> SessionAction {
        let headers = frame.headers
        if let sentence = problem(ofSubscriptionID: headers["id"]) { return refuse(frame, sentence) }
        guard let text = headers["destination"] else {
            return refuse(frame, "it lacks the header destination, such as /user/queue/msg or /topic/news.")
        }
        let destination: Destination
        do throws(Destination.Invalid) {
            destination = try Destination(parsing: text)
        } catch {
            return refuse(frame, error.description, message: "The destination is not served.")
        }
        if headers["id"] == nil, index(ofNamelessSubscriptionTo: text) != nil {
            return refuse(frame, "there is a subscription to this destination already; give each an id.")
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
        guard let prefetchCount = Self.prefetchCount(headers["prefetch-count"]) else {
            return refuse(frame, "the header prefetch-count must be a whole number of messages from 1 on.")
        }
        if let sentence = Self.problem(ofUnread: headers["unread"], at: destination) { return refuse(frame, sentence) }
        guard subscriptions.count < subscriptionsMax else {
            return refuse(
                frame,
                "the session has \(subscriptionsMax) subscriptions, and no more are allowed; UNSUBSCRIBE one first.",
                message: "Too many subscriptions.")
        }
        lastNumber &+= 1
        let subscription = Subscription(
            id: headers["id"], destination: destination, destinationText: text, ackMode: ackMode, number: lastNumber,
            prefetchCount: prefetchCount, version: version)
        subscriptions.append(subscription)
        return .subscribe(
            SubscriptionRequest(
                subscription: subscription, lastMessageID: lastMessageID, namesAckMode: headers["ack"] != nil,
                wantsUnread: headers["unread"] == "true", receipt: headers["receipt"]))
    }

    private func problem(ofSubscriptionID id: String?) -> String? {
        guard let id, !id.isEmpty else {
            // STOMP 1.0, SUBSCRIBE: it may go without.
            if version == .v10, id == nil { return nil }
            return "it lacks the header id, which names the subscription within the session."
        }
        guard id.utf8.count <= Subscription.idBytesMax else {
            return "the header id is over \(Subscription.idBytesMax) bytes; choose a shorter one."
        }
        guard index(ofSubscription: id) == nil else {
            return "a subscription with the id '\(id)' exists already; choose another id."
        }
        return nil
    }

    /// The header `prefetch-count`, as RabbitMQ has it; the inner `nil` when there is none, the outer for no number.
    private static func prefetchCount(_ text: String?) -> Int?? {
        guard let text else { return .some(nil) }
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), text.utf8.count <= 9,
            let count = Int(text), count > 0
        else { return nil }
        return count
    }

    private static func problem(ofUnread text: String?, at destination: Destination) -> String? {
        switch (text, destination) {
        case (nil, _), ("false", _), ("true", .userQueue): nil
        case ("true", .topic): "the header unread is for /user/queue/<name>: of a topic nobody counts what is unread."
        default: "the header unread must be true or false."
        }
    }

    /// "STOMP 1.2, UNSUBSCRIBE".
    mutating func unsubscribe(_ frame: Frame) -> SessionAction {
        let headers = frame.headers
        let index: Int?
        if let id = headers["id"] {
            index = self.index(ofSubscription: id)
        } else if version == .v10, let destination = headers["destination"] {
            index = self.index(ofNamelessSubscriptionTo: destination)
        } else {
            return refuse(frame, "it lacks the header id, the one that SUBSCRIBE had.")
        }
        guard let index else {
            let name = headers["id"].map { "with the id '\($0.prefix(100))'" } ?? "without an id to this destination"
            return refuse(frame, "there is no subscription \(name).")
        }
        return .unsubscribe(subscriptions.remove(at: index), receipt: headers["receipt"])
    }

    // MARK: Answers

    /// "STOMP 1.2, ACK" and "NACK".
    mutating func acknowledge(_ frame: Frame) -> SessionAction {
        if version == .v10, frame.command == .nack { return refuse(frame, "STOMP 1.0 has no NACK; it came with 1.1.") }
        switch version == .v12 ? answerByAckID(frame) : answerByMessageID(frame) {
        case .success(let request):
            return step(frame.command == .nack ? .refuse(request) : .acknowledge(request), of: frame)
        case .failure(let fault):
            return refuse(frame, fault.sentence)
        }
    }

    /// Why an answer names no message, as the rest of a sentence.
    private struct Fault: Error { let sentence: String }

    private static let autoSentence = "the subscription has the ack mode auto, in which nothing is acknowledged."

    private func answerByAckID(_ frame: Frame) -> Result<AckRequest, Fault> {
        guard let id = frame.headers["id"] else {
            return .failure(
                Fault(sentence: "it lacks the header id, which must be the value of the MESSAGE's header ack."))
        }
        guard let ackID = AckID(id), ackID.subscription <= lastNumber else {
            return .failure(
                Fault(
                    sentence:
                        "the id '\(id.prefix(100))' is not the value of an ack header of a MESSAGE of this session."))
        }
        guard subscription(number: ackID.subscription)?.ackMode != .auto else {
            return .failure(Fault(sentence: Self.autoSentence))
        }
        return .success(
            AckRequest(subscription: ackID.subscription, message: ackID.message, receipt: frame.headers["receipt"]))
    }

    /// "STOMP 1.1, ACK": by message and subscription. In 1.0 the subscription may be left out.
    private func answerByMessageID(_ frame: Frame) -> Result<AckRequest, Fault> {
        let headers = frame.headers
        guard let text = headers["message-id"] else {
            return .failure(
                Fault(sentence: "it lacks the header message-id, which must be that of the MESSAGE."))
        }
        guard let message = MessageID(text) else {
            return .failure(
                Fault(sentence: "the header message-id '\(text.prefix(100))' is not that of a MESSAGE of this session.")
            )
        }
        guard let id = headers["subscription"] else {
            guard version == .v10 else {
                return .failure(Fault(sentence: "it lacks the header subscription, which must be that of the MESSAGE."))
            }
            guard subscriptions.isEmpty || subscriptions.contains(where: { $0.ackMode != .auto }) else {
                return .failure(Fault(sentence: Self.autoSentence))
            }
            return .success(AckRequest(subscription: nil, message: message, receipt: headers["receipt"]))
        }
        guard let index = index(ofSubscription: id) else {
            // One that has ended meanwhile is no fault of the client's; its number is one that nobody has.
            guard subscriptions.count < lastNumber else {
                return .failure(Fault(sentence: "there is no subscription with the id '\(id.prefix(100))'."))
            }
            return .success(AckRequest(subscription: 0, message: message, receipt: headers["receipt"]))
        }
        guard subscriptions[index].ackMode != .auto else { return .failure(Fault(sentence: Self.autoSentence)) }
        return .success(
            AckRequest(subscription: subscriptions[index].number, message: message, receipt: headers["receipt"]))
    }
}
