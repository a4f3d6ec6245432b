import BelfryModel
import Postgres

/// What clients send.
extension NodeStore {
    /// Writes messages, in their order. Of those whose idempotency key was used before nothing is written.
    ///
    /// Fails with SQLSTATE 55P03 when a transaction of somebody else's holds a key, or the table: then nothing was
    /// written, as after any other error for which `isWithoutEffect` holds.
    public func send(_ rows: [SendRow], completion: @escaping Completion<Void>) {
        client.execute(NodeSendStatements.send, Self.columns(rows)) { completion($0.map { _ in }) }
    }

    /// Writes messages and marks others delivered, in one transaction. The failures are those of `send`.
    public func commit(
        _ rows: [SendRow], delivered marks: [DeliveryMark], completion: @escaping Completion<MarksWritten>
    ) {
        let acknowledged: [PostgresValue] = [
            .int64Array(marks.map(\.id.rawValue)), .textArray(marks.map(\.receiver)),
            .int64Array(marks.map(\.createdAtMicroseconds)),
        ]
        client.execute(NodeSendStatements.commit, acknowledged + Self.columns(rows)) {
            completion($0.map(MarksWritten.init(delivered:)))
        }
    }

    private static func columns(_ rows: [SendRow]) -> [PostgresValue] {
        let receivers = rows.map { row in if case .user(let user) = row.address { user } else { "" } }
        let topics = rows.map { row in if case .topic(let topic) = row.address { topic } else { "" } }
        return [
            .textArray(receivers), .textArray(topics), .textArray(rows.map(\.type)), .textArray(rows.map(\.data)),
            .int64Array(rows.map { $0.isText ? 1 : 0 }), .textArray(rows.map(\.headers)),
            .int64Array(rows.map { $0.notBeforeMilliseconds ?? 0 }),
            .int64Array(rows.map { $0.expiresAtMilliseconds ?? 0 }), .textArray(rows.map { $0.idempotencyKey ?? "" }),
        ]
    }
}
