import BelfryModel
import DequeModule
import NIOCore
import Outbox

/// What clients have sent and PostgreSQL has not taken, of one event loop: what one session sends in its order, and the
/// sessions by turns, so that one that sends much holds up nobody for longer than a statement takes; a transaction of
/// STOMP by itself. Pure; whoever has a store runs the statements.
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

    /// What one session has waiting.
    private struct Line {
        enum State {
            /// Its turn comes.
            case inTurn
            /// Its first entry waits for somebody's lock.
            case aside
            /// That entry is tried again.
            case retrying
        }

        var entries: Deque<Entry> = []
        var state = State.inTurn
    }

    /// Messages of one statement at most.
    private static let rowsMax = 500
    /// Bytes of one statement after which no further message is added.
    private static let bytesMax = 1024 * 1024
    /// The same of one session: so long do the others wait for one that sends without end.
    private static let sessionRowsMax = 64
    private static let sessionBytesMax = 64 * 1024

    private var lines: [SessionID: Line] = [:]
    /// The sessions in turn, the next one first. One that was put aside, or has gone, may still stand here.
    private var turns: Deque<SessionID> = []
    /// Those that were put aside, the one that was tried longest ago first.
    private var aside: Deque<SessionID> = []
    /// Of them those that are to be tried again now.
    private var retries: Deque<SessionID> = []
    /// Parts of a batch that was taken apart, the next one last.
    private var pieces: [[Entry]] = []
    private var inFlight: [Entry]?
    /// Of everything that is not done.
    private(set) var byteCount = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    var isWriting: Bool { inFlight != nil }
    var hasAside: Bool { !aside.isEmpty }

    mutating func add(_ entry: Entry) {
        count += 1
        byteCount += entry.byteCount
        let isNew = lines[entry.session] == nil
        lines[entry.session, default: Line()].entries.append(entry)
        if isNew { turns.append(entry.session) }
    }

    // MARK: Writing

    /// Takes the entries of the next statement; `nil` when there is none, or one is under way.
    mutating func begin() -> [Entry]? {
        guard inFlight == nil else { return nil }
        inFlight = pieces.popLast() ?? nextRetry() ?? nextTurns()
        return inFlight
    }

    /// What was put aside, one by one.
    private mutating func nextRetry() -> [Entry]? {
        while let session = retries.popFirst() {
            guard lines[session]?.state == .aside, let entry = lines[session]?.entries.popFirst() else { continue }
            lines[session]?.state = .retrying
            return [entry]
        }
        return nil
    }

    /// Something of each session in turn; a transaction alone.
    private mutating func nextTurns() -> [Entry]? {
        var batch: [Entry] = []
        var bytes = 0
        // Those that have to wait for the next statement keep their places.
        var passedOver: [SessionID] = []
        var left = turns.count
        while left > 0, batch.count < Self.rowsMax, bytes < Self.bytesMax, let session = turns.popFirst() {
            left -= 1
            guard let line = lines[session], line.state == .inTurn, let first = line.entries.first else { continue }
            guard !first.isTransaction || batch.isEmpty else {
                passedOver.append(session)
                continue
            }
            let (taken, takenBytes) = takeShare(of: session, upTo: Self.rowsMax - batch.count)
            batch += taken
            bytes += takenBytes
            if lines[session] != nil { turns.append(session) }
            if first.isTransaction { break }
        }
        turns.prepend(contentsOf: passedOver)
        return batch.isEmpty ? nil : batch
    }

    /// A session's share of a statement: its first entry, and more messages as far as they are no transaction.
    private mutating func takeShare(of session: SessionID, upTo rows: Int) -> ([Entry], bytes: Int) {
        guard var line = lines[session] else { return ([], 0) }
        var taken: [Entry] = []
        var bytes = 0
        while let entry = line.entries.first, taken.count < min(rows, Self.sessionRowsMax), bytes < Self.sessionBytesMax
        {
            if entry.isTransaction, !taken.isEmpty { break }
            line.entries.removeFirst()
            taken.append(entry)
            bytes += entry.byteCount
            if entry.isTransaction { break }
        }
        lines[session] = line.entries.isEmpty ? nil : line
        return (taken, bytes)
    }

    /// The statement has committed. Returns what is done.
    mutating func committed() -> [Entry] {
        let batch = take()
        for entry in batch where lines[entry.session]?.state == .retrying {
            lines[entry.session]?.state = .inTurn
            if lines[entry.session]?.entries.isEmpty == true {
                lines[entry.session] = nil
            } else {
                turns.append(entry.session)
            }
        }
        return batch
    }

    /// It is not known what became of the statement. Returns what it held, and what their sessions sent behind it,
    /// which is not to be written before it.
    mutating func lost() -> (unknown: [Entry], behind: [Entry]) {
        let batch = take()
        return (batch, drop(Set(batch.map(\.session))))
    }

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
        guard batch.count == 1, let entry = batch.first else {
            takeApart(batch)
            return false
        }
        inFlight = nil
        let later = takeOutOfPieces([entry.session])
        lines[entry.session, default: Line()].entries.prepend(contentsOf: [entry] + later)
        lines[entry.session]?.state = .aside
        turns.removeAll { $0 == entry.session }
        aside.append(entry.session)
        return true
    }

    /// Nothing was written, for no fault of the entries: the same again later.
    mutating func postponed() {
        guard let batch = inFlight else { return }
        inFlight = nil
        pieces.append(batch)
    }

    /// Some of what was put aside is tried again, before everything else: what has waited longest for it.
    mutating func retryAside(_ triesMax: Int) {
        while retries.count < triesMax, let session = aside.popFirst() { retries.append(session) }
    }

    /// Returns what has waited for too long, and what their sessions sent after it; not what is being written.
    mutating func expired(at now: NIODeadline) -> [Entry] {
        var late: Set<SessionID> = []
        for entry in pieces.joined() where entry.deadline <= now { late.insert(entry.session) }
        for (session, line) in lines {
            if let first = line.entries.first, first.deadline <= now { late.insert(session) }
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

    /// Takes out what these sessions have sent and is not being written, each one's in its order.
    private mutating func drop(_ sessions: Set<SessionID>) -> [Entry] {
        var dropped = takeOutOfPieces(sessions)
        for session in sessions { dropped += lines.removeValue(forKey: session)?.entries ?? [] }
        aside.removeAll { sessions.contains($0) }
        forget(dropped)
        return dropped
    }

    /// In one pass, as many sessions are late at once when PostgreSQL is away.
    private mutating func takeOutOfPieces(_ sessions: Set<SessionID>) -> [Entry] {
        guard !pieces.isEmpty else { return [] }
        let isTheirs: (Entry) -> Bool = { sessions.contains($0.session) }
        let taken = pieces.reversed().joined().filter(isTheirs)
        for index in pieces.indices { pieces[index].removeAll(where: isTheirs) }
        pieces.removeAll(where: \.isEmpty)
        return taken
    }

    private mutating func forget(_ entries: [Entry]) {
        count -= entries.count
        byteCount -= entries.reduce(0) { $0 + $1.byteCount }
    }
}
