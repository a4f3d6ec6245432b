import BelfryModel

/// Transactions: what SEND, ACK and NACK ask for is done at COMMIT, all of it or nothing.
extension SessionMachine {
    /// What a SEND, ACK or NACK asks for: done now or, with the header `transaction`, at its COMMIT. A receipt for a
    /// frame of a transaction says that the transaction holds it.
    mutating func step(_ step: TransactionStep, of frame: Frame) -> SessionAction {
        guard let name = frame.headers["transaction"] else {
            return switch step {
            case .send(let request): .send(request)
            case .acknowledge(let request): .acknowledge(request)
            case .refuse(let request): .refuse(request)
            }
        }
        return change(frame) { transactions throws(OpenTransactions.Fault) in try transactions.add(step, to: name) }
    }

    /// "STOMP 1.2, BEGIN".
    mutating func begin(_ frame: Frame) -> SessionAction {
        guard let name = frame.headers["transaction"], !name.isEmpty else { return unnamed(frame) }
        return change(frame) { transactions throws(OpenTransactions.Fault) in try transactions.begin(name) }
    }

    /// "STOMP 1.2, ABORT".
    mutating func abort(_ frame: Frame) -> SessionAction {
        guard let name = frame.headers["transaction"], !name.isEmpty else { return unnamed(frame) }
        return change(frame) { transactions throws(OpenTransactions.Fault) in _ = try transactions.end(name) }
    }

    /// "STOMP 1.2, COMMIT".
    mutating func commit(_ frame: Frame) -> SessionAction {
        guard let name = frame.headers["transaction"], !name.isEmpty else { return unnamed(frame) }
        do throws(OpenTransactions.Fault) {
            let steps = try transactions.end(name)
            return .commit(CommitRequest(transaction: name, steps: steps, receipt: frame.headers["receipt"]))
        } catch {
            return refuse(frame, error.sentence)
        }
    }

    private mutating func unnamed(_ frame: Frame) -> SessionAction {
        refuse(frame, "it lacks the header transaction, which names the transaction within the session.")
    }

    private mutating func change(
        _ frame: Frame, _ body: (inout OpenTransactions) throws(OpenTransactions.Fault) -> Void
    ) -> SessionAction {
        do throws(OpenTransactions.Fault) {
            try body(&transactions)
        } catch {
            return refuse(frame, error.sentence)
        }
        return frame.headers["receipt"].map { .reply(.receipt(for: $0)) } ?? .none
    }
}
