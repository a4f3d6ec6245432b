import BelfryModel
import DequeModule
import NIOCore
import Outbox

/// What clients have sent and PostgreSQL has not taken, of one event loop: written in the order in which it came, as
/// many messages in one statement as there are; a transaction of STOMP by itself. Pure; whoever has a store runs the
/// statements.
///
/// A batch that PostgreSQL refuses is taken apart until the faulty message is alone. One that waits for somebody's lock
/// is put aside, and what its session sent after it waits behind it; the others go on.
struct SendQueue {
    /// What one frame, or one transaction, asks for.
    struct Entry: Sendable {
        /// Unique in the queue.
        let number: Int
        let session: SessionID
        let rows: [SendRow]
        /// Messages that a transaction acknowledges.
        let marks: [DeliveryMark]
        /// Until when it may wait.
        let deadline: NIODeadline

        var isTransaction: Bool { rows.count != 1 || !marks.isEmpty }
        var byteCount: Int { rows.reduce(marks.count * 64) { $0 + $1.byteCount } }
    }

    /// Messages of one statement at most.
    private static let rowsMax = 500
    /// Bytes of one statement after which no further message is added.
    private static let bytesMax = 1024 * 1024

    private var waiting: Deque<Entry> = []
    /// Parts of a batch that was taken apart, the next one last.
    private var pieces: [[Entry]] = []
    private var inFlight: [Entry]?
    /// What waits for somebody's lock, and what its session sent after it.
    private var aside: [SessionID: Deque<Entry>] = [:]
    /// Of everything that is not done.
    private(set) var byteCount = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    var isWriting: Bool { inFlight != nil }
    var hasAside: Bool { !aside.isEmpty }

    mutating func add(_ entry: Entry) {
        count += 1
        byteCount += entry.byteCount
        if aside[entry.session] != nil { aside[entry.session]?.append(entry) } else { waiting.append(entry) }
    }

    // MARK: Writing

    /// Takes the entries of the next statement; `nil` when there is none, or one is under way.
    mutating func begin() -> [Entry]? {
        guard inFlight == nil else { return nil }
        if let piece = pieces.popLast() {
            inFlight = piece
            return piece
        }
        var batch: [Entry] = []
        var bytes = 0
        while let entry = waiting.first, batch.count < Self.rowsMax, bytes < Self.bytesMax {
            if entry.isTransaction, !batch.isEmpty { break }
            waiting.removeFirst()
            batch.append(entry)
            bytes += entry.byteCount
            if entry.isTransaction { break }
        }
        guard !batch.isEmpty else { return nil }
        inFlight = batch
        return batch
    }

    /// The statement has committed. Returns what is done.
    mutating func committed() -> [Entry] { take() }

    /// It is not known what became of the statement. Returns what it held.
    mutating func lost() -> [Entry] { take() }

    /// PostgreSQL refuses the statement, and would again. Returns the entry that is to blame, once it is alone, and
    /// what its session sent after it.
    mutating func refused() -> [Entry] {
        guard let batch = inFlight else { return [] }
        guard batch.count > 1 else { return take() + drop([batch[0].session]) }
        takeApart(batch)
        return []
    }

    /// Somebody's lock is in the way, and nothing was written. Returns whether an entry was put aside: it is to be
    /// tried again after a pause.
    mutating func locked() -> Bool {
        guard let batch = inFlight else { return false }
        guard batch.count == 1 else {
            takeApart(batch)
            return false
        }
        inFlight = nil
        aside[batch[0].session] = Deque(batch + takeOut([batch[0].session]))
        return true
    }

    /// Nothing was written, for no fault of the entries: the same again later.
    mutating func postponed() {
        guard let batch = inFlight else { return }
        inFlight = nil
        pieces.append(batch)
    }

    /// What was put aside is tried again, before everything else.
    mutating func retryAside() {
        for entries in aside.values { waiting.prepend(contentsOf: entries) }
        aside = [:]
    }

    /// Returns what has waited for too long, and what their sessions sent after it; not what is being written.
    mutating func expired(at now: NIODeadline) -> [Entry] {
        var late: Set<SessionID> = []
        for entries in aside.values {
            if let first = entries.first, first.deadline <= now { late.insert(first.session) }
        }
        for entry in pieces.joined() where entry.deadline <= now { late.insert(entry.session) }
        // In the order of their deadlines, but for those that were put aside before.
        for entry in waiting {
            if entry.deadline > now { break }
            late.insert(entry.session)
        }
        return late.isEmpty ? [] : drop(late)
    }

    private mutating func takeApart(_ batch: [Entry]) {
        inFlight = nil
        let middle = batch.count / 2
        pieces.append(Array(batch[middle...]))
        pieces.append(Array(batch[..<middle]))
    }

    private mutating func take() -> [Entry] {
        let batch = exchange(&inFlight, with: nil) ?? []
        forget(batch)
        return batch
    }

    private mutating func drop(_ sessions: Set<SessionID>) -> [Entry] {
        let dropped = takeOut(sessions)
        forget(dropped)
        return dropped
    }

    /// Takes out what these sessions have sent and is not being written, each one's in its order: in one pass, as many
    /// sessions are late at once when PostgreSQL is away.
    private mutating func takeOut(_ sessions: Set<SessionID>) -> [Entry] {
        let isTheirs: (Entry) -> Bool = { sessions.contains($0.session) }
        var taken = pieces.reversed().joined().filter(isTheirs)
        for index in pieces.indices { pieces[index].removeAll(where: isTheirs) }
        pieces.removeAll(where: \.isEmpty)
        for session in sessions { taken += aside.removeValue(forKey: session) ?? [] }
        taken += waiting.filter(isTheirs)
        waiting.removeAll(where: isTheirs)
        return taken
    }

    private mutating func forget(_ entries: [Entry]) {
        count -= entries.count
        byteCount -= entries.reduce(0) { $0 + $1.byteCount }
    }
}
