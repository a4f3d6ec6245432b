import BelfryModel

/// The transactions of one session that were begun and neither committed nor aborted ("STOMP 1.2, BEGIN", "COMMIT",
/// "ABORT"), with the frames that they hold until then.
struct OpenTransactions {
    /// Why a frame can't be of a transaction, as the rest of a sentence.
    struct Fault: Error { let sentence: String }

    /// Bytes of a transaction's name at most.
    static let nameBytesMax = 255
    /// What is counted for a frame beside its bytes.
    private static let frameBytes = 256

    private struct Transaction {
        let name: String
        var steps: [TransactionStep] = []
    }

    private let transactionsMax: Int
    private let bytesMax: Int
    private var open: [Transaction] = []
    /// Of all of them together.
    private var bytes = 0

    init(limits: Limits) {
        transactionsMax = limits.transactionsMax
        bytesMax = limits.transactionBytesMax
    }

    var isEmpty: Bool { open.isEmpty }

    mutating func begin(_ name: String) throws(Fault) {
        guard name.utf8.count <= Self.nameBytesMax else {
            throw Fault(sentence: "the header transaction is over \(Self.nameBytesMax) bytes; choose a shorter name.")
        }
        guard index(of: name) == nil else {
            throw Fault(
                sentence: "a transaction '\(name)' is open already; COMMIT or ABORT it, or choose another name.")
        }
        guard open.count < transactionsMax else {
            throw Fault(
                sentence: "the session has \(transactionsMax) open transactions, and no more are allowed; "
                    + "COMMIT or ABORT one first.")
        }
        open.append(Transaction(name: name))
    }

    /// A frame of the transaction of that name waits for its end.
    mutating func add(_ step: TransactionStep, to name: String) throws(Fault) {
        guard let index = index(of: name) else { throw Self.unknown(name) }
        bytes += step.byteCount + Self.frameBytes
        guard bytes <= bytesMax else {
            throw Fault(
                sentence: "the open transactions hold over \(bytesMax) bytes together; COMMIT smaller ones.")
        }
        open[index].steps.append(step)
    }

    /// Takes a transaction out, with what it holds.
    mutating func end(_ name: String) throws(Fault) -> [TransactionStep] {
        guard let index = index(of: name) else { throw Self.unknown(name) }
        let steps = open.remove(at: index).steps
        for step in steps { bytes -= step.byteCount + Self.frameBytes }
        return steps
    }

    /// The session has ended: nothing of them is done.
    mutating func abortAll() {
        open = []
        bytes = 0
    }

    private func index(of name: String) -> Int? { open.firstIndex { $0.name.utf8.elementsEqual(name.utf8) } }

    private static func unknown(_ name: String) -> Fault {
        Fault(sentence: "there is no open transaction '\(name.prefix(100))'; BEGIN it first.")
    }
}

extension TransactionStep {
    /// What its headers and body take.
    var byteCount: Int {
        switch self {
        case .send(let request): request.byteCount
        case .acknowledge(let request), .refuse(let request): request.receipt?.utf8.count ?? 0
        }
    }
}
