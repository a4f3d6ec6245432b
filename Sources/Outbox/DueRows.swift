import BelfryModel
import Postgres
import Synchronization

/// Rows of the outbox whose time has come, and what is done with them then.
enum DueRows {
    /// Held back until now: they get the transaction's id and so come to the cursor like new ones. A batch is published
    /// by message id; batches follow one another by time.
    case release
    case expire
    /// Broadcasts whose time for late nodes is over.
    case settle(hold: Duration)

    /// Rows that one statement takes at most.
    static let batchRows = 1_000

    /// $1: rows at most. $2: messages to be left alone. $3: the hold of a broadcast in milliseconds. The answer: rows
    /// dealt with, how many of them count, and those that were left because another transaction holds their row of the
    /// log. Plan: the start of the partial index on the time, then outbox and message_log by primary key.
    var statement: PostgresStatement {
        switch self {
        case .release: Self.releaseStatement
        case .expire: Self.expireStatement
        case .settle: Self.settleStatement
        }
    }

    /// The first of those that are due and not among $1. $2: as $3 above.
    var firstStatement: PostgresStatement {
        PostgresStatement(
            "",
            """
            select message_id from belfry.outbox
            where \(condition(hold: "$2")) and message_id <> all($1::bigint[])
            order by \(order) limit 1 for update skip locked
            """)
    }

    var holdMilliseconds: Int64 {
        switch self {
        case .release, .expire: 0
        case .settle(let hold): hold.milliseconds
        }
    }

    private func condition(hold: String) -> String {
        switch self {
        case .release: "not_before <= clock_timestamp() and \(hold)::bigint = 0"
        case .expire: "expires_at <= clock_timestamp() and \(hold)::bigint = 0"
        case .settle:
            """
            topic is not null and not_before is null
                and published_at <= clock_timestamp() - \(hold)::bigint * interval '1 millisecond'
            """
        }
    }

    private var order: String {
        switch self {
        case .release: "not_before, message_id"
        case .expire: "expires_at"
        case .settle: "published_at"
        }
    }

    private var due: String {
        """
        due as materialized (
            select message_id from belfry.outbox
            where \(condition(hold: "$3")) and message_id <> all($2::bigint[])
            order by \(order) limit $1::bigint for update skip locked
        )
        """
    }

    private static let releaseStatement = PostgresStatement(
        "",
        """
        with \(DueRows.release.due), released as (
            update belfry.outbox o set not_before = null, xid = pg_current_xact_id()
            from due d where o.message_id = d.message_id
            returning o.message_id
        )
        select count(*), count(*), '{}'::bigint[] from released
        """)

    private static let expireStatement = takingOut(
        .expire, reason: "'It was not delivered before its expires_at.'")

    private static let settleStatement = takingOut(
        .settle(hold: .zero),
        reason: """
            'No session acknowledged this broadcast within ' || round($3::bigint / 1000.0, 1)::text
                || ' s of its publication.'
            """)

    /// Takes rows out of the outbox and marks those still pending as expired: only where the rows of both tables can be
    /// had. A row without one of the log goes, too.
    private static func takingOut(_ rows: DueRows, reason: String) -> PostgresStatement {
        PostgresStatement(
            "",
            """
            with \(rows.due), logged as materialized (
                select l.id from due d join belfry.message_log l on l.id = d.message_id
                for no key update of l skip locked
            ), gone as (
                delete from belfry.outbox o using due d
                where o.message_id = d.message_id
                    and (exists (select 1 from logged g where g.id = d.message_id)
                        or not exists (select 1 from belfry.message_log l where l.id = d.message_id))
                returning o.message_id
            ), marked as (
                update belfry.message_log l
                set status = 'expired', status_reason = \(reason), hidden_at = coalesce(l.hidden_at, clock_timestamp())
                from gone g, logged k where k.id = g.message_id and l.id = k.id and l.status = 'pending'
                returning l.id
            )
            select (select count(*) from gone), (select count(*) from marked),
                array(select d.message_id from due d where not exists (
                    select 1 from gone g where g.message_id = d.message_id))
            """)
    }
}

/// Rows that PostgreSQL refuses for what they hold (a trigger of the owner's, say): left alone for a while, so that
/// they stop nobody else's. Bounded.
final class RefusedRows: Sendable {
    /// One that was found.
    struct Row: Sendable {
        let id: MessageID
        let error: PostgresError
    }

    private struct State {
        var until: [Int64: ContinuousClock.Instant] = [:]
        var news: [Row] = []
    }

    private static let pause: Duration = .seconds(60)
    private static let rowsMax = 1_000
    private let state = Mutex(State())

    /// The ids to leave alone now.
    var ids: [Int64] {
        state.withLock { state in
            let now = ContinuousClock.now
            state.until = state.until.filter { $0.value > now }
            return Array(state.until.keys)
        }
    }

    func add(_ id: Int64, _ error: PostgresError) {
        state.withLock { state in
            guard state.until.count < Self.rowsMax else { return }
            state.until[id] = .now + Self.pause
            state.news.append(Row(id: MessageID(rawValue: id), error: error))
        }
    }

    /// Those that were found since the last call.
    func takeNews() -> [Row] {
        state.withLock { state in
            defer { state.news = [] }
            return state.news
        }
    }
}

extension RelayStore {
    /// Deals with what is due, batch after batch. A batch that PostgreSQL refuses for what it holds is made smaller
    /// until the faulty row is alone, which is left alone for a minute. The bound of batches leaves the rest to the
    /// next time.
    ///
    /// - Returns: how many count: released, or become `expired`.
    func deal(with rows: DueRows) async throws(PostgresError) -> Int {
        var (total, limit) = (0, DueRows.batchRows)
        var held: [Int64] = []
        for _ in 0..<40 {
            let excluded = refusedRows.ids + held
            do throws(PostgresError) {
                let result = try await execute(
                    rows.statement,
                    [.int64(Int64(limit)), .int64Array(excluded), .int64(rows.holdMilliseconds)])
                total += Int(result.int64(0, 1) ?? 0)
                let left = Self.ids(result.string(0, 2))
                held += left
                if Int(result.int64(0, 0) ?? 0) + left.count < limit { break }
            } catch {
                guard error.isRefusal else { throw error }
                if limit > 1 {
                    limit = max(1, limit / 10)
                } else {
                    let first = try await execute(
                        rows.firstStatement, [.int64Array(excluded), .int64(rows.holdMilliseconds)])
                    guard let id = first.int64(0, 0) else { throw error }
                    refusedRows.add(id, error)
                    limit = DueRows.batchRows
                }
            }
        }
        return total
    }

    /// The numbers of an array of PostgreSQL's, `{1,2}`.
    private static func ids(_ text: String) -> [Int64] {
        text.dropFirst().dropLast().split(separator: ",").compactMap { Int64($0) }
    }

    /// Rows that PostgreSQL refused since the last call, for the log.
    public func takeRefusedRows() -> [(id: MessageID, error: PostgresError)] {
        refusedRows.takeNews().map { ($0.id, $0.error) }
    }
}
