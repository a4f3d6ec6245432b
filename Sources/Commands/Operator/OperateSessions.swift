import Authentication
import Outbox
import Postgres

/// What operators see and do of others' sessions.
public struct OperateSessions: Sendable {
    /// Time for the nodes to say how much is unacknowledged: they look every second.
    private static let answerTimeout: Duration = .seconds(3)
    private static let pause: Duration = .milliseconds(100)

    private let store: SessionStore

    /// - Parameter store: its role is in `belfry_service`.
    public init(store: SessionStore) { self.store = store }

    /// The sessions of a user, or those subscribed to a topic, over all nodes, the oldest first, as JSON objects.
    /// `unacknowledged` is null where a node has not answered in time.
    public func sessions(
        of criterion: SessionStore.Criterion, by identity: Identity
    ) async throws(CommandRefusal) -> [String] {
        try OperatorRights.require(.view, identity)
        do throws(PostgresError) {
            try await store.ask(of: criterion)
            let deadline = ContinuousClock.now + Self.answerTimeout
            var sessions = try await store.sessions(of: criterion)
            while sessions.contains(where: { !$0.isAnswered }), ContinuousClock.now < deadline, !Task.isCancelled {
                try? await Task.sleep(for: Self.pause)
                sessions = try await store.sessions(of: criterion)
            }
            return sessions.map(\.json)
        } catch {
            throw CommandRefusal(error)
        }
    }

    /// Ends the sessions of a user; within two seconds they are closed.
    ///
    /// - Parameter refusesTokens: nobody may come back with a token that one of them showed.
    public func end(
        of user: String, refusesTokens: Bool, by identity: Identity
    ) async throws(CommandRefusal) -> SessionStore.Ended {
        try OperatorRights.require(.act, identity)
        do throws(PostgresError) {
            return try await store.end(of: user, refusesTokens: refusesTokens, actor: identity.user)
        } catch {
            throw CommandRefusal(error)
        }
    }
}
