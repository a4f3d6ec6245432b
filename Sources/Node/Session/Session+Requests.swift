import BelfryModel
import NIOCore
import STOMP

/// What a connected client asks for.
extension Session {
    func subscribe(_ request: SubscriptionRequest) {
        guard let user, let identity else { return }
        if case .userQueue(ReplyQueue.name) = request.subscription.destination {
            guard !request.wantsUnread else {
                return refuse(
                    .protocolViolation,
                    "the header unread is for the other queues: to /user/queue/\(ReplyQueue.name) come answers alone.",
                    message: nil, command: .subscribe, receipt: request.receipt)
            }
            replies = ReplyQueue(request.subscription, of: id)
            if let receipt = request.receipt { sendReceipt(receipt) }
            return
        }
        guard identity.rights.maySubscribe(to: request.subscription) else {
            return refuse(
                .forbidden, "this user may not subscribe to that topic; the token's rights say to which.",
                message: CloseReason.forbidden.text, command: .subscribe, receipt: request.receipt)
        }
        let consumer = Consumer(
            session: self, user: user, request: request, limits: worker.context.limits, history: worker.history)
        add(consumer)
        worker.feed.join(consumer)
        if consumer.isAcknowledgedByCommand { watch(consumer) }
    }

    /// What a page leaves unanswered comes again: it has no other way to ask for it.
    private func watch(_ consumer: Consumer) {
        worker.eventLoop.scheduleTask(in: TimeAmount(worker.context.limits.commandAckTimeout)) { [weak self] in
            guard let self, !isEnded, !consumer.isEnded else { return }
            let stamps = consumer.giveBackUnanswered()
            if !stamps.isEmpty {
                worker.followed.gaveBack(stamps, on: consumer)
                worker.marks.ended(
                    SessionEnd(sessionID: nil, receiver: consumer.receiver, unacknowledged: stamps.map(\.id)))
                worker.wantsPage(consumer)
            }
            watch(consumer)
        }
    }

    func unsubscribe(_ subscription: Subscription, receipt: String?) {
        var ids: [MessageID] = []
        if replies?.subscription.number == subscription.number { replies = nil }
        if let consumer = removeConsumer(subscription.number) {
            payOwedReceipt(of: consumer)
            // The session goes on: its row stays, what the subscription had in flight goes back.
            ids = worker.leave(consumer, sessionGoesOn: true).map(\.id)
            if !ids.isEmpty {
                worker.marks.ended(SessionEnd(sessionID: nil, receiver: consumer.receiver, unacknowledged: ids))
            }
        }
        sendReceipt(receipt, whenCommitted: ids)
    }

    func acknowledge(_ request: AckRequest) {
        answer(request) { consumer in
            let stamps = consumer.acknowledged(request.message)
            worker.acknowledged(stamps, on: consumer)
            return stamps
        }
    }

    func refuse(_ request: AckRequest) {
        answer(request) { consumer in
            let stamps = consumer.refused(request.message)
            worker.refused(stamps, on: consumer)
            return stamps
        }
    }

    private func answer(_ request: AckRequest, _ take: (Consumer) -> [MessageStamp]) {
        var stamps: [MessageStamp] = []
        if let number = request.subscription {
            if let consumer = consumers[number] { stamps = take(consumer) }
        } else {
            stamps = consumers(of: request).flatMap(take)
        }
        guard let receipt = request.receipt else { return }
        // What is not in flight was answered before, which may not be committed yet.
        sendReceipt(receipt, whenCommitted: stamps.isEmpty ? [request.message] : stamps.map(\.id))
    }

    /// The running subscriptions that an answer is for: one, or with STOMP 1.0 whichever has the message in flight.
    func consumers(of request: AckRequest) -> [Consumer] {
        if let number = request.subscription { return consumers[number].map { [$0] } ?? [] }
        return consumers.values.filter { $0.ackMode != .auto }
    }

    /// STOMP 1.2, DISCONNECT: the receipt says that everything before it was done, commits included.
    func disconnect(_ receipt: Frame?) {
        for consumer in consumers.values { payOwedReceipt(of: consumer) }
        guard let receipt else { return close(.clientDisconnected, with: nil) }
        disconnecting()
        whenCommandsAreDone { [self] areSettled in
            guard areSettled else { return close(.clientDisconnected, with: nil) }
            worker.marks.whenCommitted([], user: user, for: self) { isCommitted in
                // A mark that was given up was logged; the session ends in any case, without the receipt.
                self.close(.clientDisconnected, with: isCommitted ? receipt : nil)
            }
        }
    }

    // MARK: Receipts

    /// Sends the receipt that SUBSCRIBE asked for, if it is still owed: from here on nothing is missed.
    func payOwedReceipt(of consumer: Consumer) {
        if let receipt = consumer.takeOwedReceipt() { sendReceipt(receipt) }
    }

    /// The receipt of a frame whose effect is committed with these marks.
    func sendReceipt(_ receipt: String?, whenCommitted ids: [MessageID]) {
        guard let receipt else { return }
        receiptOwed()
        worker.marks.whenCommitted(ids, for: self) { self.receiptDue(receipt, isDone: $0) }
    }
}
