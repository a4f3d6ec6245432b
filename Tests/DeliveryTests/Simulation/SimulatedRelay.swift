import BelfryModel

/// The relay's cursor: steps from snapshot to snapshot, in pages by `(xid, id)`, each of which a crash may publish
/// twice.
struct SimulatedRelay {
    private static let rowsMax = 3

    private var cursor: TransactionSnapshot
    private var target: TransactionSnapshot?
    private var position: (xid: UInt64, id: MessageID)?

    init(_ database: SimulatedDatabase) { cursor = database.snapshot }

    /// Publishes one page. Without `storesPosition` the relay died before it wrote down that it had.
    mutating func step(_ database: SimulatedDatabase, storesPosition: Bool) -> [SimulatedDatabase.Row] {
        let target = target ?? database.snapshot
        guard target != cursor else { return [] }
        let rows = database.outbox
            .filter { isWanted($0, target) }
            .sorted { ($0.xid, $0.id.rawValue) < ($1.xid, $1.id.rawValue) }
            .prefix(Self.rowsMax)
        guard storesPosition else { return Array(rows) }
        if rows.count < Self.rowsMax {
            (cursor, self.target, position) = (target, nil, nil)
        } else if let last = rows.last {
            (self.target, position) = (target, (last.xid, last.id))
        }
        return Array(rows)
    }

    private func isWanted(_ row: SimulatedDatabase.Row, _ target: TransactionSnapshot) -> Bool {
        guard target.sees(row.xid), !cursor.sees(row.xid) else { return false }
        guard let position else { return true }
        return (row.xid, row.id.rawValue) > (position.xid, position.id.rawValue)
    }
}
