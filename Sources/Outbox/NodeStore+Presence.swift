import Postgres

/// A session whose token was accepted, as others see it.
public struct PresenceOpening: Sendable {
    public let sessionID: String
    public let receiver: String
    public let transport: String
    /// The client's IP address; `nil` when it is not known.
    public let address: String?
    /// For how long it has been open.
    public let ageMilliseconds: Int64

    public init(sessionID: String, receiver: String, transport: String, address: String?, ageMilliseconds: Int64 = 0) {
        self.sessionID = sessionID
        self.receiver = receiver
        self.transport = transport
        self.address = address
        self.ageMilliseconds = ageMilliseconds
    }
}

/// A session that its node is to close.
public struct PresenceClosing: Sendable {
    public let sessionID: String
    /// The name of a close reason.
    public let reason: String
}

/// Who is connected, over all nodes.
extension NodeStore {
    /// Writes sessions that were opened and removes those that have ended. May be repeated without harm.
    public func recordPresence(
        opened: [PresenceOpening], ended: [String], completion: @escaping Completion<Void>
    ) {
        client.execute(
            PresenceStatements.record,
            [
                .text(nodeID), .textArray(opened.map(\.sessionID)), .textArray(opened.map(\.receiver)),
                .textArray(opened.map(\.transport)), .textArray(opened.map { $0.address ?? "" }),
                .int64Array(opened.map(\.ageMilliseconds)), .textArray(ended),
            ]
        ) { completion($0.map { _ in }) }
    }

    /// Has sessions closed of users who have too many: the oldest, or the newest.
    ///
    /// - Returns: those that were chosen by this call, of whichever node.
    public func boundPresence(
        of users: [String], atMost sessionsMax: Int, keepsNewest: Bool, completion: @escaping Completion<[String]>
    ) {
        client.execute(
            PresenceStatements.bound, [.textArray(users), .int64(Int64(sessionsMax)), .bool(keepsNewest)]
        ) { result in completion(result.map { result in (0..<result.rowCount).map { result.string($0, 0) } }) }
    }

    /// The sessions of this node that it is to close.
    public func closingPresence() async throws(PostgresError) -> [PresenceClosing] {
        let result = try await client.execute(PresenceStatements.closing, [.text(nodeID)])
        return (0..<result.rowCount).map {
            PresenceClosing(sessionID: result.string($0, 0), reason: result.string($0, 1))
        }
    }
}
