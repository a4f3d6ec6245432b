import BelfryModel
import Postgres

/// Every statement on the schema that a node sends: registration, backlog, delivery marks, reconcile.
///
/// Completions run on a PostgreSQL thread: a caller on an event loop hops back by itself. Failures are
/// `PostgresError`s; nothing here retries, but for `markDelivered`, which has a second statement where rows are held.
/// Every statement may be repeated after a failure without harm.
public struct NodeStore: Sendable {
    /// What a statement ended with.
    public typealias Completion<Value> = @Sendable (Result<Value, PostgresError>) -> Void

    let client: PostgresClient
    /// For signs of life, which must not wait behind anything.
    private let heartBeats: PostgresClient
    /// This node's row in `belfry.node`.
    public let nodeID: String

    /// - Parameters:
    ///   - client: connections whose role is in `belfry_service`.
    ///   - heartBeats: a connection that nothing else uses, so that heart-beats wait behind nothing; `client` when
    ///     absent.
    ///   - nodeID: a UUID in text form, new for each start of the process.
    public init(client: PostgresClient, heartBeats: PostgresClient? = nil, nodeID: String) {
        self.client = client
        self.heartBeats = heartBeats ?? client
        self.nodeID = nodeID
    }

    /// Whether PostgreSQL can be reached now, as far as the last statement knows.
    public var isAvailable: Bool { client.isAvailable }

    /// Writes, or refreshes, this node's row and counts its sessions.
    public func heartBeat(_ beat: NodeHeartBeat) async throws(PostgresError) -> NodeHeartBeat.Answer {
        let result = try await heartBeats.execute(
            NodeStatements.heartBeat,
            [
                .text(nodeID), .text(beat.host), .int64(Int64(beat.processID)), .text(beat.listen),
                .int64(Int64(beat.sessions)),
            ])
        guard result.rowCount > 0, let incarnation = UniqueID(result.string(0, 1)) else {
            throw PostgresError(.protocolViolation, "PostgreSQL's answer to a node's heart-beat has no incarnation.")
        }
        return NodeHeartBeat.Answer(
            wasForgotten: result.bool(0, 0), incarnation: incarnation, term: result.int64(0, 2) ?? 0,
            transaction: result.int64(0, 3) ?? 0)
    }

    /// Which life of PostgreSQL this is.
    public func presentIncarnation(completion: @escaping Completion<UniqueID?>) {
        heartBeats.execute(NodeStatements.presentIncarnation, []) {
            completion($0.map { UniqueID($0.string(0, 0)) })
        }
    }

    /// Removes this node's row at a graceful end. Rows of sessions that could not be closed stay: the relay marks what
    /// they were shown and removes them.
    public func leave() async throws(PostgresError) {
        _ = try await client.execute(NodeStatements.leave, [.text(nodeID)])
        _ = try await client.execute(PresenceStatements.leave, [.text(nodeID)])
    }

    /// Opens sessions and reads a page of backlog for many subscriptions, and how much is unread for those that ask for
    /// it, in one statement and under one snapshot.
    public func readBacklog(
        _ reads: [BacklogRead], opening sessions: [SessionOpening], rowsMax: Int,
        completion: @escaping Completion<BacklogPages>
    ) {
        var values: [PostgresValue] = [
            .text(nodeID),
            .textArray(sessions.map(\.sessionID)), .textArray(sessions.map(\.receiver)),
            .textArray(reads.map(\.receiver)), .int64Array(reads.map(\.after.rawValue)),
            .textArray(reads.map { $0.snapshot?.description ?? "" }),
            .textArray(reads.map { $0.covered?.description ?? "" }),
            .textArray(reads.map(\.sessionID)), .int64(Int64(rowsMax)),
        ]
        let counting = reads.indices.filter { reads[$0].countsUnread }
        if !counting.isEmpty { values.append(.int64Array(counting.map { Int64($0) + 1 })) }
        client.execute(counting.isEmpty ? NodeStatements.readBacklog : NodeStatements.countAndReadBacklog, values) {
            completion($0.map(BacklogPages.init))
        }
    }

    /// Reads what was broadcast to a topic after `after`, from the log, whatever became of it since (except cancelled).
    public func readTopic(
        _ topic: String, after: MessageID, snapshot: TransactionSnapshot?, rowsMax: Int,
        completion: @escaping Completion<BacklogPages>
    ) {
        client.execute(
            NodeStatements.readTopic,
            [
                .text(topic), .int64(after.rawValue), .text(snapshot?.description ?? ""), .int64(Int64(rowsMax)),
            ]
        ) { completion($0.map(BacklogPages.init)) }
    }

    /// Marks messages delivered: the outbox rows of users go, the log rows say when. Those not pending any more are
    /// passed over, so a repeat does nothing. Returns the ages of those that became `delivered` by this statement, and
    /// the ids whose rows another transaction holds.
    ///
    /// - Parameter carefully: another transaction is known to hold rows. Otherwise that is tried first which costs less
    ///   and waits some milliseconds for them.
    public func markDelivered(
        _ marks: [DeliveryMark], carefully: Bool = true, completion: @escaping Completion<MarksWritten>
    ) {
        let values: [PostgresValue] = [
            .int64Array(marks.map(\.id.rawValue)), .textArray(marks.map(\.receiver)),
            .int64Array(marks.map(\.createdAtMicroseconds)),
        ]
        let careful: @Sendable () -> Void = { [client] in
            client.execute(NodeMarkStatements.markDelivered, values) {
                completion($0.map(MarksWritten.init(delivered:)))
            }
        }
        guard !carefully else { return careful() }
        client.execute(NodeMarkStatements.markDeliveredAtOnce, values) { result in
            // PostgreSQL docs, "lock_not_available".
            if case .failure(let error) = result, error.sqlState == "55P03" { return careful() }
            completion(result.map(MarksWritten.init(delivered:)))
        }
    }

    /// Puts messages off that a client refused, and parks those refused `nacksMax` times.
    public func refuse(
        _ marks: [DeliveryMark], delay: Duration, nacksMax: Int, completion: @escaping Completion<MarksWritten>
    ) {
        client.execute(
            NodeMarkStatements.refuse,
            [
                .int64Array(marks.map(\.id.rawValue)), .textArray(marks.map(\.receiver)),
                .textArray(marks.map { String($0.xid) }), .int64(delay.milliseconds), .int64(Int64(nacksMax)),
            ]
        ) { completion($0.map(MarksWritten.init(refused:))) }
    }

    /// Ends sessions: what they had not acknowledged is marked `redelivered` and their rows go, in one statement.
    public func closeSessions(_ ends: [SessionEnd], completion: @escaping Completion<MarksWritten>) {
        var (ids, receivers, sessions): ([Int64], [String], [String]) = ([], [], [])
        for end in ends {
            for id in end.unacknowledged {
                ids.append(id.rawValue)
                receivers.append(end.receiver)
                sessions.append(end.sessionID ?? "")
            }
        }
        client.execute(
            NodeMarkStatements.closeSessions,
            [
                .textArray(ends.compactMap(\.sessionID)), .int64Array(ids), .textArray(receivers), .textArray(sessions),
            ]
        ) { completion($0.map(MarksWritten.init(closed:))) }
    }

    /// What the outbox holds, now deliverable, for users (at most `rowsMax` each) and for topics since the last look:
    /// ids only.
    ///
    /// - Parameter isBusAvailable: leave out what a relay at work has not come to yet.
    public func reconcile(
        users: [String], topics: [TopicLook], rowsMax: Int, isBusAvailable: Bool,
        completion: @escaping Completion<OutboxListing>
    ) {
        client.execute(
            NodeStatements.reconcile,
            [
                .textArray(users), .textArray(topics.map(\.topic)),
                .textArray(topics.map { $0.covered?.description ?? "" }),
                .int64Array(topics.map { $0.sinceMicroseconds ?? 0 }), .int64(Int64(rowsMax)),
                .bool(isBusAvailable), .int64Array(topics.map(\.after.rawValue)),
            ]
        ) { completion($0.map(OutboxListing.init)) }
    }

    /// Reads broadcasts that a node missed.
    public func readBroadcasts(_ ids: [MessageID], completion: @escaping Completion<BacklogPages>) {
        client.execute(NodeStatements.readBroadcasts, [.int64Array(ids.map(\.rawValue))]) {
            completion($0.map(BacklogPages.init))
        }
    }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
