import Authentication
import Outbox
import Postgres

/// What operators did.
public struct ReadAudit: Sendable {
    /// Acts of a page at most.
    public static let limitMax = 100

    private let store: AuditStore

    /// - Parameter store: its role is in `belfry_service`.
    public init(store: AuditStore) { self.store = store }

    /// A page of acts, the newest first.
    ///
    /// - Parameter before: the last id of the page before.
    public func page(
        before: Int64?, limit: Int, by identity: Identity
    ) async throws(CommandRefusal) -> [AuditStore.Entry] {
        try OperatorRights.require(.view, identity)
        do throws(PostgresError) {
            return try await store.page(before: before, limit: min(max(1, limit), Self.limitMax))
        } catch {
            throw CommandRefusal(error)
        }
    }
}
