import BelfryModel
import Commands
import NIOCore
import STOMP

/// What a connected client asks for.
extension Session {
    func subscribe(_ request: SubscriptionRequest) {
        guard let user else { return }
        let consumer = Consumer(
            session: self, user: user, request: request, limits: worker.context.limits, history: worker.history)
        add(consumer)
        worker.feed.join(consumer)
    }

    func unsubscribe(_ subscription: Subscription, receipt: String?) {
        var ids: [MessageID] = []
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
        var stamps: [MessageStamp] = []
        if let consumer = consumers[request.ackID.subscription] {
            stamps = consumer.acknowledged(request.ackID.message)
            worker.acknowledged(stamps, on: consumer)
        }
        sendReceipt(of: request, whenCommitted: stamps)
    }

    func refuse(_ request: AckRequest) {
        var stamps: [MessageStamp] = []
        if let consumer = consumers[request.ackID.subscription] {
            stamps = consumer.refused(request.ackID.message)
            worker.refused(stamps, on: consumer)
        }
        sendReceipt(of: request, whenCommitted: stamps)
    }

    /// STOMP 1.2, DISCONNECT: the receipt says that everything before it was done, commits included.
    func disconnect(_ receipt: Frame?) {
        for consumer in consumers.values { payOwedReceipt(of: consumer) }
        guard let receipt else { return close(.clientDisconnected, with: nil) }
        disconnecting()
        whenCommandsAreDone { [self] areCarriedOut in
            guard areCarriedOut else { return close(.clientDisconnected, with: nil) }
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

    /// - Parameter stamps: what the frame took out of flight. If nothing, the message was answered before, which may
    ///   not be committed yet.
    private func sendReceipt(of request: AckRequest, whenCommitted stamps: [MessageStamp]) {
        sendReceipt(request.receipt, whenCommitted: stamps.isEmpty ? [request.ackID.message] : stamps.map(\.id))
    }

    /// The receipt of a frame whose effect is committed with these marks.
    private func sendReceipt(_ receipt: String?, whenCommitted ids: [MessageID]) {
        guard let receipt else { return }
        receiptOwed()
        worker.marks.whenCommitted(ids, for: self) { self.receiptDue(receipt, isDone: $0) }
    }

    // MARK: Commands

    /// A SEND: to `/app/<name>` it is a command, whose receipt comes when it is done.
    func send(_ request: SendRequest) {
        guard let identity else { return }
        guard let command = worker.context.commands.command(for: request.destination ?? "") else {
            return refuse(
                .protocolViolation,
                "sending is not served over STOMP yet; insert into belfry.message_log with SQL instead.",
                message: "SEND is not served.", command: .send, receipt: request.receipt)
        }
        commandBegan()
        let asked = CommandRequest(
            headers: Dictionary(request.headers.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first }),
            body: request.body)
        let done = worker.eventLoop.makeFutureWithTask { () async throws in
            try await command.run(asked, by: identity)
        }
        done.whenComplete { self.commandEnded($0, of: command.name, receipt: request.receipt) }
    }

    private func commandEnded(_ outcome: Result<Void, any Error>, of command: String, receipt: String?) {
        guard case .failure(let error) = outcome else { return commandEnded(receipt: receipt, isCarriedOut: true) }
        let refusal = error as? CommandRefusal ?? CommandRefusal(.unavailable, CloseReason.internalError.text)
        if let cause = refusal.underlying ?? (error is CommandRefusal ? nil : error) {
            worker.context.logger.warning(
                "A client's command was not carried out", metadata: ["command": "\(command)", "error": "\(cause)"])
        }
        if !isClosing {
            refuse(
                refusal.closeReason, refusal.message, message: "The command was refused.", command: .send,
                receipt: receipt)
        }
        commandEnded(receipt: nil, isCarriedOut: false)
    }
}

extension CommandRefusal {
    fileprivate var closeReason: CloseReason {
        switch code {
        case .invalid: .protocolViolation
        case .forbidden: .forbidden
        default: .internalError
        }
    }
}
