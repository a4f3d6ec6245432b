import BelfryModel
import Postgres

/// The text of the statements that write what clients send.
///
/// A row waits for nobody but where its idempotency key, or the table, is held by a transaction of an application: for
/// ten milliseconds, as `NodeMarkStatements.markDeliveredAtOnce` does; then the statement fails with 55P03 and nothing
/// of it is kept. A key that was used before leaves its row out: the message was sent then.
enum NodeSendStatements {
    /// A server process that hangs holds up what everybody on an event loop sends.
    private static let timeLimit = Duration.seconds(20)

    /// $1 to $9: a column each, a row in each place. The rows get their ids in this order.
    ///
    /// Plan: an insert; the keys by the unique index.
    static let send = PostgresStatement(
        "belfry_node_send",
        """
        with \(NodeMarkStatements.patience), \(inserted(after: 0))
        select 1
        """, timeLimit: timeLimit)

    /// The same behind acknowledgements, $1 to $3 as in `markDeliveredAtOnce`, whose answer it gives: both are
    /// committed, or neither is.
    static let commit = PostgresStatement(
        "belfry_node_commit",
        """
        with \(NodeMarkStatements.patience), \(NodeMarkStatements.markedAtOnce), \(inserted(after: 3))
        \(NodeMarkStatements.markedAnswer)
        """, timeLimit: timeLimit)

    /// - Parameter first: the number of the last parameter before those of the rows.
    private static func inserted(after first: Int) -> String {
        func parameter(_ place: Int, _ type: String) -> String { "$\(first + place)::\(type)[]" }
        return """
            inserted as (
                insert into belfry.message_log (
                    receiver, topic, type, data, headers, not_before, expires_at, idempotency_key)
                select nullif(w.receiver, ''), nullif(w.topic, ''), w.type,
                    case when w.is_text = 1 then to_jsonb(w.data) else w.data::jsonb end,
                    case when w.headers <> '' then w.headers::jsonb end,
                    case when w.not_before > 0 then to_timestamp(w.not_before / 1000.0::float8) end,
                    case when w.expires_at > 0 then to_timestamp(w.expires_at / 1000.0::float8) end,
                    nullif(w.idempotency_key, '')
                from unnest(
                    \(parameter(1, "text")), \(parameter(2, "text")), \(parameter(3, "text")), \(parameter(4, "text")),
                    \(parameter(5, "bigint")), \(parameter(6, "text")), \(parameter(7, "bigint")),
                    \(parameter(8, "bigint")), \(parameter(9, "text"))
                ) with ordinality as w(
                    receiver, topic, type, data, is_text, headers, not_before, expires_at, idempotency_key, place)
                where (select p.milliseconds from patience p) <> ''
                order by w.place
                on conflict do nothing
            )
            """
    }
}
