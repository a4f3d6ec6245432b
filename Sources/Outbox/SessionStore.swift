import BelfryModel
import Postgres

/// Who is connected, for operators: over all nodes, as `belfry.presence` has it.
public struct SessionStore: Sendable {
    /// Sessions of one answer at most.
    public static let sessionsMax = 10_000

    /// What a session is looked for by.
    public enum Criterion: Sendable {
        case user(String)
        case topic(String)
    }

    /// A session as operators are shown it.
    public struct Session: Sendable {
        public let id: String
        /// A JSON object.
        public let json: String
        /// Its node has said how much is unacknowledged since it was asked last.
        public let isAnswered: Bool
    }

    /// What ending a user's sessions came to.
    public struct Ended: Sendable {
        public let sessions: Int
        public let tokensRefused: Int
    }

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_service`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// Asks the nodes how much the sessions have not acknowledged. They answer within two seconds.
    public func ask(of criterion: Criterion) async throws(PostgresError) {
        _ = try await executor.execute(SessionStatements.ask(criterion), [Self.name(criterion)])
    }

    /// The sessions, the oldest first.
    public func sessions(of criterion: Criterion) async throws(PostgresError) -> [Session] {
        let result = try await executor.execute(SessionStatements.list(criterion), [Self.name(criterion)])
        return (0..<result.rowCount).map {
            Session(id: result.string($0, 0), json: result.string($0, 1), isAnswered: result.bool($0, 2))
        }
    }

    /// Has a user's sessions closed; their nodes do it within two seconds.
    ///
    /// - Parameters:
    ///   - refusesTokens: nobody may connect any more with a token that one of them showed.
    ///   - actor: who has it done, for `belfry.audit`.
    public func end(of user: String, refusesTokens: Bool, actor: String) async throws(PostgresError) -> Ended {
        let result = try await executor.execute(
            SessionStatements.end, [.text(user), .bool(refusesTokens), .text(actor)])
        return Ended(sessions: Int(result.int64(0, 0) ?? 0), tokensRefused: Int(result.int64(0, 1) ?? 0))
    }

    private static func name(_ criterion: Criterion) -> PostgresValue {
        switch criterion {
        case .user(let name), .topic(let name): .text(name)
        }
    }
}

/// Its statements. The table is Belfry's own: nothing is waited for.
enum SessionStatements {
    private static let timeLimit = Duration.seconds(20)

    /// By the index presence (receiver, …); for a topic, which operators alone ask for, the table is read.
    private static func condition(_ criterion: SessionStore.Criterion) -> (name: String, sql: String) {
        switch criterion {
        case .user: ("user", "p.receiver = $1")
        case .topic: ("topic", "$1 = any(p.topics)")
        }
    }

    private static func isAlive(_ node: String) -> String {
        "\(node).heartbeat_at > clock_timestamp() - interval '\(HousekeepingStatements.nodeSilenceMax)'"
    }

    static func ask(_ criterion: SessionStore.Criterion) -> PostgresStatement {
        let (name, condition) = condition(criterion)
        return PostgresStatement(
            "belfry_sessions_ask_\(name)",
            """
            update belfry.presence p set asked_at = clock_timestamp()
            where p.id in (
                select p.id from belfry.presence p where \(condition) and p.asked_at is null
                limit \(SessionStore.sessionsMax)
                for update skip locked)
            """, timeLimit: timeLimit)
    }

    static func list(_ criterion: SessionStore.Criterion) -> PostgresStatement {
        let (name, condition) = condition(criterion)
        return PostgresStatement(
            "belfry_sessions_of_\(name)",
            """
            select p.id::text,
                json_build_object(
                    'id', p.id, 'user', p.receiver,
                    'node', json_build_object('id', n.id, 'host', n.host, 'listen', n.listen),
                    'since', (extract(epoch from p.opened_at) * 1000)::bigint, 'address', p.address,
                    'client', p.client, 'transport', p.transport, 'topics', p.topics,
                    'unacknowledged', case when p.asked_at is null then p.unacknowledged end,
                    'closing', p.close_reason is not null)::text,
                p.asked_at is null
            from belfry.presence p join belfry.node n on n.id = p.node_id and \(isAlive("n"))
            where \(condition)
            order by p.opened_at, p.id
            limit \(SessionStore.sessionsMax)
            """, timeLimit: timeLimit)
    }

    /// $1: a user. $2: whether their tokens are refused. $3: who wants it. What has expired by itself is removed on the
    /// way.
    static let end = PostgresStatement(
        "belfry_sessions_end",
        """
        with closing as (
            update belfry.presence p set close_reason = 'closedByOperator'
            where p.receiver = $1 and p.close_reason is null
            returning p.id
        ), refused as (
            insert into belfry.refused_token (token, until)
            select p.token, max(coalesce(p.token_expires_at, 'infinity')) from belfry.presence p
            where $2::boolean and p.receiver = $1 and p.token is not null
            group by p.token
            on conflict on constraint refused_token_pkey do update set until = excluded.until
            returning token
        ), expired as (
            delete from belfry.refused_token r where r.until <= clock_timestamp()
        ), done as (
            select (select count(*) from closing) as ended, (select count(*) from refused) as refused
        )
        select d.ended, d.refused,
            belfry.record_act('disconnect', $3, jsonb_build_object(
                'user', $1, 'ended', d.ended, 'tokensRefused', d.refused, 'refuse', $2::boolean))
        from done d
        """, timeLimit: timeLimit)
}
