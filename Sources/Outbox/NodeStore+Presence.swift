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
    /// What it calls itself.
    public let client: String?
    public let topics: [String]
    /// A fingerprint of its token.
    public let token: String?
    /// Unix milliseconds; `nil` for never.
    public let tokenExpiresAtMilliseconds: Int64?

    public init(
        sessionID: String, receiver: String, transport: String, address: String?, ageMilliseconds: Int64 = 0,
        client: String? = nil, topics: [String] = [], token: String? = nil, tokenExpiresAtMilliseconds: Int64? = nil
    ) {
        self.sessionID = sessionID
        self.receiver = receiver
        self.transport = transport
        self.address = address
        self.ageMilliseconds = ageMilliseconds
        self.client = client
        self.topics = topics
        self.token = token
        self.tokenExpiresAtMilliseconds = tokenExpiresAtMilliseconds
    }
}

/// Something that a session's node is to do.
public struct PresenceErrand: Sendable {
    public let sessionID: String
    /// The name of the close reason with which it is to be closed; `nil` when it may go on.
    public let closeReason: String?
    /// Somebody wants to know how much of what it was sent is unacknowledged.
    public let isAsked: Bool
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
                .textArray(opened.map { $0.client ?? "" }), .textArray(opened.map { $0.token ?? "" }),
                .int64Array(opened.map { $0.tokenExpiresAtMilliseconds ?? 0 }),
                // The topics of all, and whose they are.
                .textArray(opened.flatMap(\.topics)),
                .int64Array(
                    opened.enumerated().flatMap { place, session in session.topics.map { _ in Int64(place + 1) } }),
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

    /// What this node is to do with sessions of its own.
    public func presenceErrands() async throws(PostgresError) -> [PresenceErrand] {
        let result = try await client.execute(PresenceStatements.errands, [.text(nodeID)])
        return (0..<result.rowCount).map {
            PresenceErrand(
                sessionID: result.string($0, 0), closeReason: result.optionalString($0, 1), isAsked: result.bool($0, 2))
        }
    }

    /// Tells how much sessions have not acknowledged, by their ids.
    public func answerPresence(_ counts: [(sessionID: String, unacknowledged: Int)]) async throws(PostgresError) {
        _ = try await client.execute(
            PresenceStatements.answer,
            [.textArray(counts.map(\.sessionID)), .int64Array(counts.map { Int64($0.unacknowledged) })])
    }

    /// The fingerprints of tokens that are refused: a million at most.
    public func refusedTokens() async throws(PostgresError) -> [String] {
        let result = try await client.execute(PresenceStatements.refusedTokens, [])
        return (0..<result.rowCount).map { result.string($0, 0) }
    }
}
