import BelfryModel
import Postgres

/// Looks up one message in all tables, for `belfry trace`.
public struct TraceStore: Sendable {
    /// Sessions that are shown.
    public static let sessionsMax = 20
    /// Hops that are shown, the first ones.
    public static let hopsMax = 500
    /// Acts of operators that are shown.
    public static let actsMax = 50
    /// Of the last so many acts.
    public static let actsLookedAt = 10_000

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_operator`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// What is known of a message now. One that does not exist has no `log`.
    public func facts(of id: MessageID) async throws(PostgresError) -> MessageFacts {
        var facts = try await books(id)
        try await addHops(of: id, &facts)
        guard let log = facts.log else {
            let writer = try await executor.execute(TraceStatements.oldestWriter, [])
            if writer.rowCount > 0 {
                facts.oldestWriter = (
                    writer.double(0, 0), Int(writer.int64(0, 1) ?? 0), writer.string(0, 2)
                )
            }
            return facts
        }
        facts.escalation = try await escalation(id, executor)
        let result = try await executor.execute(
            TraceStatements.sessions,
            [log.receiver.map { .text($0) } ?? .null, log.topic.map { .text($0) } ?? .null])
        facts.sessions = (0..<result.rowCount).map { row in
            var session = MessageFacts.Session()
            session.id = result.string(row, 0)
            session.openedAt = result.double(row, 1) ?? 0
            session.node = result.string(row, 2)
            session.transport = result.string(row, 3)
            session.address = result.optionalString(row, 4)
            session.isSubscribed = log.receiver == nil ? nil : result.bool(row, 5)
            return session
        }
        try await addActs(on: id, log, &facts)
        return facts
    }

    private func addHops(of id: MessageID, _ facts: inout MessageFacts) async throws(PostgresError) {
        // Whoever has locked the table does not keep anybody from the rest of the trace.
        guard try await executor.execute(TraceStatements.areHopsFree, []).bool(0, 0) else { return }
        let result = try await executor.execute(TraceStatements.hops, [.int64(id.rawValue)])
        let noted = (0..<result.rowCount).filter { result.isNull($0, 6) }
        facts.hops = noted.map { row in
            var hop = MessageFacts.Hop()
            hop.at = result.double(row, 0) ?? 0
            hop.process = result.string(row, 1)
            hop.what = result.string(row, 2)
            hop.committedAt = result.double(row, 5)
            let (names, values) = (result.textList(row, 3), result.textList(row, 4))
            hop.details = Dictionary(zip(names, values), uniquingKeysWith: { first, _ in first })
            return hop
        }
        let row = (0..<result.rowCount).first { !result.isNull($0, 6) }
        if let row {
            facts.writer = MessageFacts.Writer()
            facts.writer?.role = result.string(row, 6)
            facts.writer?.application = result.string(row, 7)
        }
    }

    private func addActs(
        on id: MessageID, _ log: MessageFacts.Log, _ facts: inout MessageFacts
    ) async throws(PostgresError) {
        let result = try await executor.execute(
            TraceStatements.acts,
            [
                .text(id.description), log.receiver.map { .text($0) } ?? .null, log.topic.map { .text($0) } ?? .null,
                .text(log.type), .text(String(log.createdAt)),
            ])
        facts.acts = (0..<result.rowCount).map { row in
            var act = MessageFacts.Act()
            act.at = result.double(row, 0) ?? 0
            act.who = result.string(row, 1)
            act.actor = result.optionalString(row, 2)
            act.act = result.string(row, 3)
            act.isNamed = result.bool(row, 4)
            return act
        }
    }

    private func books(_ id: MessageID) async throws(PostgresError) -> MessageFacts {
        let result = try await executor.execute(TraceStatements.books, [.int64(id.rawValue)])
        var facts = MessageFacts()
        guard result.rowCount > 0 else { return facts }
        facts.now = result.double(0, 0) ?? 0
        facts.highestID = result.int64(0, 1) ?? 0
        if let name = result.optionalString(0, 2) {
            var leader = MessageFacts.Leader()
            leader.name = name
            leader.term = Int(result.int64(0, 3) ?? 0)
            leader.seenAt = result.double(0, 4)
            facts.leader = leader
        }
        if let type = result.optionalString(0, 5) {
            var log = MessageFacts.Log()
            log.type = type
            log.receiver = result.optionalString(0, 6)
            log.topic = result.optionalString(0, 7)
            log.status = result.string(0, 8)
            log.statusReason = result.optionalString(0, 9)
            log.createdAt = result.double(0, 10) ?? 0
            log.committedAt = result.double(0, 11)
            log.deliveredAt = result.double(0, 12)
            log.viewedAt = result.double(0, 13)
            log.hiddenAt = result.double(0, 14)
            log.notBefore = result.double(0, 15)
            log.expiresAt = result.double(0, 16)
            log.dataBytes = Int(result.int64(0, 17) ?? 0)
            facts.log = log
        }
        if let attempts = result.int64(0, 18) {
            var queued = MessageFacts.Queued()
            queued.attempts = Int(attempts)
            queued.notBefore = result.double(0, 19)
            queued.publishedAt = result.double(0, 20)
            queued.redelivered = result.bool(0, 21)
            queued.lastError = result.optionalString(0, 22)
            queued.isPublished = result.bool(0, 23)
            facts.queued = queued
        }
        if let at = result.double(0, 24) {
            var parked = MessageFacts.Parked()
            parked.at = at
            parked.reason = result.string(0, 25)
            parked.attempts = Int(result.int64(0, 26) ?? 0)
            facts.parked = parked
        }
        return facts
    }
}

extension PostgresResult {
    /// A list of texts, with unit separators (U+001F) between them, which none of them holds.
    fileprivate func textList(_ row: Int, _ column: Int) -> [String] {
        guard let text = optionalString(row, column) else { return [] }
        return text.split(separator: "\u{1F}", omittingEmptySubsequences: false).map(String.init)
    }
}
