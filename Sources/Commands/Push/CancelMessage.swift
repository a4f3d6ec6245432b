import Authentication
import BelfryModel
import Outbox
import Postgres

/// Takes a message back that has not been delivered.
public struct CancelMessage: Sendable {
    private let store: PushStore

    /// - Parameter store: its role is in `belfry_service`.
    public init(store: PushStore) { self.store = store }

    /// - Returns: `false` when there is no such message, it is delivered, or its address is none that the user may send
    ///   to: which of them is not told.
    public func run(_ id: MessageID, by sender: Identity) async throws(CommandRefusal) -> Bool {
        do {
            return try await LockPatience.retrying { () async throws(PostgresError) in
                guard let address = try await store.addressOfWaiting(id),
                    sender.rights.maySend(to: address.destination)
                else { return false }
                return try await store.cancel(id, actor: sender.user)
            }
        } catch {
            throw error.sqlState == "55P03"
                ? CommandRefusal(
                    .unavailable, "another transaction holds this message; nothing was changed, try again.",
                    underlying: error) : CommandRefusal(error)
        }
    }
}
