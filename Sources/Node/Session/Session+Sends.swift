import Authentication
import BelfryModel
import Commands
import NIOCore
import Outbox
import STOMP

/// What a connected client sends: messages to users and topics, transactions, commands.
extension Session {
    /// A SEND: to `/app/<name>` it is a command, else a message to be written. The receipt comes when it is done.
    func send(_ request: SendRequest) {
        guard let identity else { return }
        guard let destination = request.destination else {
            return refuse(
                .protocolViolation, "it lacks the header destination, such as /topic/news.", message: nil,
                command: .send, receipt: request.receipt)
        }
        if destination == Self.refreshDestination { return refresh(request) }
        if destination == Self.acknowledgement { return acknowledgeByCommand(request) }
        if CommandTable.isCommand(destination) { return run(request, destination: destination, by: identity) }
        do throws(CommandRefusal) {
            let row = try posted(request).row
            // The closure must not keep the request, whose body is in the row.
            let (bytes, receipt, type) = (row.byteCount, request.receipt, row.type)
            commandBegan(bytes: bytes)
            worker.sends.add([row], of: id) { outcome in
                self.sendEnded(outcome.map { _ in }, of: .send, types: [type], receipt: receipt, bytes: bytes)
            }
        } catch {
            refuse(error, of: .send, receipt: request.receipt)
        }
    }

    private func posted(_ request: SendRequest) throws(CommandRefusal) -> PostedMessage {
        guard let identity else { throw CommandRefusal(.forbidden, "the session is not connected.") }
        return try PostedMessage(
            to: request.destination ?? "", headers: request.headers.map { ($0.name, $0.value) }, body: request.body,
            by: identity)
    }

    /// - Parameters:
    ///   - types: of what was sent.
    ///   - bytes: that were counted for it when it began.
    private func sendEnded(
        _ outcome: Result<Void, CommandRefusal>, of command: Command, types: [String], receipt: String?, bytes: Int
    ) {
        switch outcome {
        case .success: commandEnded(receipt: receipt, isSettled: true, bytes: bytes)
        case .failure(let refusal):
            note(refusal, command: command)
            worker.context.sendRefusals.note(refusal, types: types, via: "stomp", who: identity?.user ?? "")
            refuse(refusal, of: command, receipt: receipt)
            commandEnded(receipt: nil, isSettled: false, bytes: bytes)
        }
    }

    // MARK: Transactions

    /// What a transaction asks for, taken apart.
    private struct Steps {
        var rows: [SendRow] = []
        var marks: [DeliveryMark] = []
        var acknowledged: [AckRequest] = []
        var refused: [AckRequest] = []

        var byteCount: Int { rows.reduce(marks.count * 64) { $0 + $1.byteCount } }

        /// What is to be done once the messages are written.
        var withoutRows: Steps {
            var steps = self
            steps.rows = []
            return steps
        }
    }

    /// STOMP 1.2, COMMIT: messages and acknowledgements are one transaction of PostgreSQL. Refusals, which put a
    /// message off, follow it. The receipt comes behind all of it.
    func commit(_ request: CommitRequest) {
        do throws(CommandRefusal) {
            let steps = try steps(of: request)
            guard !steps.rows.isEmpty || !steps.marks.isEmpty else {
                return committed(steps, receipt: request.receipt)
            }
            let (bytes, wanted, types) = (steps.byteCount, request.receipt, steps.rows.map(\.type))
            commandBegan(bytes: bytes)
            let acknowledgements = steps.withoutRows
            worker.sends.add(steps.rows, acknowledging: steps.marks, of: id) { outcome in
                if case .success = outcome { self.committed(acknowledgements, receipt: wanted) }
                let receipt: String? = if case .failure = outcome { wanted } else { nil }
                self.sendEnded(outcome.map { _ in }, of: .commit, types: types, receipt: receipt, bytes: bytes)
            }
        } catch {
            refuse(error, of: .commit, receipt: request.receipt)
        }
    }

    private func steps(of request: CommitRequest) throws(CommandRefusal) -> Steps {
        var steps = Steps()
        // An acknowledgement says no more the second time.
        var (known, marked): (Set<AckRequest>, Set<MessageID>) = ([], [])
        for (place, step) in request.steps.enumerated() {
            switch step {
            case .send(let request):
                guard !CommandTable.isCommand(request.destination ?? "") else {
                    throw CommandRefusal(
                        .invalid,
                        "a command such as '\((request.destination ?? "").prefix(100))' can't be of a transaction.")
                }
                do throws(CommandRefusal) {
                    steps.rows.append(try posted(request).row)
                } catch {
                    throw CommandRefusal(
                        error.code, "frame \(place + 1) of the transaction, SEND: \(error.message)",
                        underlying: error.underlying)
                }
            case .acknowledge(let request):
                let bare = AckRequest(subscription: request.subscription, message: request.message, receipt: nil)
                guard known.insert(bare).inserted else { continue }
                steps.acknowledged.append(request)
                for consumer in consumers(of: request) {
                    for stamp in consumer.inFlight(upTo: request.message) where marked.insert(stamp.id).inserted {
                        steps.marks.append(DeliveryMark(stamp, receiver: consumer.receiver))
                    }
                }
            case .refuse(let request): steps.refused.append(request)
            }
        }
        return steps
    }

    /// Messages are written and others marked: these leave their subscriptions.
    private func committed(_ steps: Steps, receipt: String?) {
        let written = Set(steps.marks.map(\.id))
        var awaited: [MessageID] = []
        for request in steps.acknowledged {
            for consumer in consumers(of: request) {
                worker.acknowledgedAlready(consumer.acknowledged(request.message), on: consumer)
            }
            if !written.contains(request.message) { awaited.append(request.message) }
        }
        for request in steps.refused {
            refuse(
                AckRequest(subscription: request.subscription, message: request.message, receipt: nil))
            awaited.append(request.message)
        }
        if awaited.isEmpty {
            if let receipt { sendReceipt(receipt) }
        } else {
            sendReceipt(receipt, whenCommitted: awaited)
        }
    }

    // MARK: Commands

    /// The command that acknowledges a message by its id, in the body, whichever of the session's subscriptions has it.
    private static let acknowledgement = "/app/ack"

    private func acknowledgeByCommand(_ request: SendRequest) {
        // As JSON has it, or bare.
        let around: (UInt8) -> Bool = { " \t\n\"".utf8.contains($0) || $0 == UInt8(ascii: "\r") }
        let bytes = request.body.readableBytesView.prefix(64).drop(while: around)
        let text = String(decoding: bytes.reversed().drop(while: around).reversed(), as: UTF8.self)
        guard let message = MessageID(text) else {
            return refuseCommand(
                request,
                CommandRefusal(.invalid, "the body must be the message-id of a MESSAGE, such as 42."), message: nil)
        }
        acknowledge(AckRequest(subscription: nil, message: message, receipt: request.receipt))
    }

    private func run(_ request: SendRequest, destination: String, by identity: Identity) {
        guard let command = worker.context.commands.command(for: destination),
            !command.isForOperators || connection.isAtConsole
        else {
            return refuseCommand(
                request, CommandRefusal(.invalid, "there is no command '\(destination.prefix(100))' here."),
                message: "The command is not served.")
        }
        guard !command.isQuestion || replies != nil else {
            return refuse(
                .protocolViolation, "SUBSCRIBE to /user/queue/\(ReplyQueue.name) first, where it is answered.",
                message: nil, command: .send, receipt: request.receipt)
        }
        let bytes = request.byteCount
        commandBegan(bytes: bytes)
        let asked = CommandRequest(
            headers: Dictionary(request.headers.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first }),
            body: request.body)
        let done = worker.eventLoop.makeFutureWithTask { () async throws in
            try await command.run(asked, by: identity)
        }
        done.whenComplete { outcome in
            switch outcome {
            case .success(let reply): self.commandSucceeded(request, reply, bytes: bytes)
            case .failure(let error):
                self.commandFailed(
                    request,
                    error as? CommandRefusal
                        ?? CommandRefusal(.unavailable, CloseReason.internalError.text, underlying: error),
                    bytes: bytes)
            }
        }
    }

    private func commandSucceeded(_ request: SendRequest, _ reply: CommandReply?, bytes: Int) {
        if let reply, !isClosing, let replies {
            write(replies.answer(reply, correlation: request.correlation))
        }
        commandEnded(receipt: request.receipt, isSettled: true, bytes: bytes)
    }

    private func commandFailed(_ request: SendRequest, _ refusal: CommandRefusal, bytes: Int) {
        let isAnswered = answer(request, refusal)
        if !isAnswered {
            note(refusal, command: .send)
            refuse(refusal, of: .send, receipt: request.receipt)
        }
        commandEnded(receipt: nil, isSettled: isAnswered, bytes: bytes)
    }

    /// Refuses a command that was not begun.
    ///
    /// - Parameter message: the short text of the ERROR, if it comes to that.
    private func refuseCommand(_ request: SendRequest, _ refusal: CommandRefusal, message: String?) {
        guard !answer(request, refusal) else { return }
        refuse(refusal.closeReason, refusal.message, message: message, command: .send, receipt: request.receipt)
    }

    /// Answers a command by its refusal, without a receipt, where its client hears answers and can tell whose this is.
    ///
    /// - Returns: whether that is so; otherwise only the end of the session tells.
    private func answer(_ request: SendRequest, _ refusal: CommandRefusal) -> Bool {
        guard !isClosing, let replies, let correlation = request.correlation else { return false }
        if refusal.underlying != nil, replies.mayNote(at: .now()) { note(refusal, command: .send) }
        write(replies.answer(refusal, correlation: correlation))
        return true
    }

    private func note(_ refusal: CommandRefusal, command: Command) {
        guard let cause = refusal.underlying else { return }
        worker.context.logger.warning(
            "What a client asked for was not carried out",
            metadata: ["command": "\(command.rawValue)", "error": "\(cause)"])
    }

    private func refuse(_ refusal: CommandRefusal, of command: Command, receipt: String?) {
        guard !isClosing else { return }
        refuse(
            refusal.closeReason, refusal.message, message: "The command was refused.", command: command,
            receipt: receipt)
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

extension SendRequest {
    /// By which a client tells answers apart.
    fileprivate var correlation: String? { headers["correlation-id"] }
}
