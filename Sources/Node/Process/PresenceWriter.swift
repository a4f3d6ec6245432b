import BelfryModel
import DequeModule
import Foundation
import NIOCore
import Outbox
import Postgres

/// Tells PostgreSQL which sessions of an event loop there are, so that the sessions of a user can be counted over all
/// nodes: gathered for a moment, one statement at a time. Used on its event loop only.
///
/// A session does not wait for it: one too many is closed soon after it, or another in its place, was opened.
final class PresenceWriter: @unchecked Sendable {
    private static let pause = TimeAmount.milliseconds(20)
    /// Sessions of one statement.
    private static let batchMax = 2_000
    /// Ended sessions that wait for PostgreSQL. While it is away for long, the rows of more than these stay until the
    /// node has gone, and count.
    private static let endedMax = 1_000_000

    private let eventLoop: any EventLoop
    private let context: NodeContext
    private var opened: [SessionID: Session] = [:]
    private var ended: Deque<SessionID> = []
    private var isWriting = false
    private var isScheduled = false
    private var backoff = Backoff(first: .milliseconds(100), limit: .seconds(5))

    /// A session of this or of another event loop is to be closed.
    var onTooMany: (SessionID) -> Void = { _ in }

    init(eventLoop: any EventLoop, context: NodeContext) {
        self.eventLoop = eventLoop
        self.context = context
    }

    /// A session's token was accepted, or what is told of the session has changed; or its row may be gone.
    func opened(_ session: Session) {
        guard session.user != nil, !session.isEnded else { return }
        opened[session.id] = session
        schedule()
    }

    /// A session has ended whose token was accepted.
    func ended(_ session: SessionID) {
        // It may have a row though it is to be written: after a fault it is written again.
        opened[session] = nil
        if ended.count < Self.endedMax { ended.append(session) }
        schedule()
    }

    private func schedule(in pause: TimeAmount = pause) {
        guard !isWriting, !isScheduled else { return }
        isScheduled = true
        eventLoop.scheduleTask(in: pause) {
            self.isScheduled = false
            self.write()
        }
    }

    private func write() {
        guard !opened.isEmpty || !ended.isEmpty else { return }
        isWriting = true
        let coming = Array(opened.prefix(Self.batchMax))
        for (id, _) in coming { opened[id] = nil }
        let going = Array(ended.prefix(Self.batchMax))
        ended.removeFirst(going.count)
        context.store.recordPresence(
            opened: coming.map { PresenceOpening($0.value) }, ended: going.map(\.description),
            completion: eventLoop.bringingBack { answer in
                switch answer {
                case .success: self.bound(coming)
                case .failure(let error):
                    self.putBack(coming)
                    self.ended.prepend(contentsOf: going)
                    self.failed(error)
                }
            })
    }

    /// Once their rows are there: two nodes that do this at the same time then see each other's.
    private func bound(_ openings: [(key: SessionID, value: Session)]) {
        guard !openings.isEmpty else { return wrote() }
        context.store.boundPresence(
            of: Array(Set(openings.compactMap(\.value.user))), atMost: context.limits.sessionsPerUserMax,
            keepsNewest: context.limits.closesOldestSession,
            completion: eventLoop.bringingBack { answer in
                switch answer {
                case .success(let sessions):
                    for id in sessions.compactMap({ SessionID($0) }) { self.onTooMany(id) }
                    self.wrote()
                case .failure(let error):
                    self.putBack(openings)
                    self.failed(error)
                }
            })
    }

    /// What a failed statement was to write is written again, but for sessions that have ended meanwhile.
    private func putBack(_ openings: [(key: SessionID, value: Session)]) {
        let ended = Set(self.ended)
        for (id, session) in openings where !ended.contains(id) { opened[id] = session }
    }

    private func wrote() {
        backoff.reset()
        isWriting = false
        if !opened.isEmpty || !ended.isEmpty { schedule() }
    }

    private func failed(_ error: PostgresError) {
        context.metrics.statementFailed()
        context.logger.debug("Who is connected could not be written", metadata: ["error": "\(error)"])
        isWriting = false
        schedule(in: TimeAmount(backoff.next()))
    }
}

extension PresenceOpening {
    /// A session whose token was accepted.
    fileprivate init(_ session: Session) {
        self.init(
            sessionID: session.id.description, receiver: session.user ?? "", transport: session.connection.transport,
            address: session.connection.address,
            ageMilliseconds: (.now() - session.openedAt).nanoseconds / 1_000_000,
            client: session.connection.client, topics: session.topics, token: session.identity?.token?.description,
            tokenExpiresAtMilliseconds: (session.identity?.expiresAt?.timeIntervalSince1970).map { Int64($0 * 1_000) })
    }
}
