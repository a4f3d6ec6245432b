import BelfryModel

@testable import Delivery

/// PostgreSQL as far as the outbox goes: transactions with xids and ids from sequences, which commit in any order, and
/// snapshots of what has committed.
struct SimulatedDatabase {
    struct Row: Hashable {
        let id: MessageID
        let xid: UInt64
    }

    struct Transaction {
        let xid: UInt64
        var rows: [Row] = []
        /// The messages that had committed when it began: all of them come before its own.
        let followed: Int
    }

    private(set) var nextXid: UInt64 = 100
    private var nextID: Int64 = 1
    private(set) var running: [Transaction] = []
    private var lastCompleted: UInt64 = 99
    /// Rows of committed transactions in the order of commit, each with how many rows had been committed before its
    /// transaction began.
    private(set) var committed: [(row: Row, followed: Int)] = []
    /// Committed rows not yet marked delivered, by id. Of a topic they stay.
    private(set) var outbox: [Row] = []
    /// `pg_current_snapshot()`.
    private(set) var snapshot: TransactionSnapshot

    init() { snapshot = Self.snapshot(xmax: 100, running: []) }

    mutating func begin() {
        running.append(Transaction(xid: nextXid, followed: committed.count))
        nextXid += 1
        takeSnapshot()
    }

    mutating func insert(by index: Int) {
        running[index].rows.append(Row(id: MessageID(rawValue: nextID), xid: running[index].xid))
        nextID += 1
    }

    mutating func end(_ index: Int, commits: Bool) {
        let transaction = running.remove(at: index)
        lastCompleted = max(lastCompleted, transaction.xid)
        takeSnapshot()
        guard commits else { return }
        for row in transaction.rows {
            committed.append((row, transaction.followed))
            outbox.insert(row, at: place(of: row.id))
        }
    }

    mutating func markDelivered(_ ids: [MessageID]) {
        for id in ids {
            let place = place(of: id)
            if place < outbox.count, outbox[place].id == id { outbox.remove(at: place) }
        }
    }

    /// Stamps a row anew, as a release of `not_before` or a replay does. Returns its id.
    mutating func restamp(at place: Int) -> MessageID {
        let id = outbox[place].id
        outbox[place] = Row(id: id, xid: nextXid)
        lastCompleted = nextXid
        nextXid += 1
        takeSnapshot()
        return id
    }

    /// Where in the outbox an id is, or would be.
    func place(of id: MessageID) -> Int {
        var low = 0
        var high = outbox.count
        while low < high {
            let middle = (low + high) / 2
            if outbox[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func takeSnapshot() {
        snapshot = Self.snapshot(xmax: lastCompleted + 1, running: running.map(\.xid))
    }

    private static func snapshot(xmax: UInt64, running: [UInt64]) -> TransactionSnapshot {
        let running = running.filter { $0 < xmax }.sorted()
        let text = "\(running.first ?? xmax):\(xmax):\(running.map(String.init).joined(separator: ","))"
        guard let snapshot = TransactionSnapshot(text) else { preconditionFailure(text) }
        return snapshot
    }

    /// The rows that a page brings: of the outbox, by id.
    func page(_ request: PageRequest, rowsMax: Int) -> [Row] {
        var rows: [Row] = []
        var place = place(of: MessageID(rawValue: request.after.rawValue + 1))
        while place < outbox.count, rows.count < rowsMax {
            let row = outbox[place]
            place += 1
            guard request.snapshot?.sees(row.xid) != false, request.covered?.sees(row.xid) != true else { continue }
            rows.append(row)
        }
        return rows
    }
}
