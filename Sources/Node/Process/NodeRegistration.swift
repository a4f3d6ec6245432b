import Authentication
import BelfryModel
import Foundation
import NIOCore
import Outbox
import Postgres

/// Keeps this node's row in `belfry.node`, with a heart-beat every few seconds, so that others can tell the node from a
/// dead one; tells which incarnation of PostgreSQL and which term the answer was from, and notices when PostgreSQL has
/// forgotten this node.
public struct NodeRegistration: Sendable {
    /// Pause between two heart-beats. Others take a node for dead after several of them.
    static let interval = Duration.seconds(2)
    /// Pause between two looks at what is to be done with sessions.
    private static let errandInterval = Duration.seconds(1)

    private let context: NodeContext
    private let listen: String
    private let workers: Workers

    /// - Parameter listen: the address that the node listens on, as others read it in `belfry.node`.
    public init(context: NodeContext, listen: String, workers: Workers) {
        self.context = context
        self.listen = listen
        self.workers = workers
    }

    /// Sends heart-beats until cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { tasks in
            // Beside the heart-beats, which wait for no connection that others use.
            tasks.addTask { await runErrands() }
            await sendHeartBeats()
            tasks.cancelAll()
        }
    }

    private func sendHeartBeats() async {
        var hasBeaten = false
        while !Task.isCancelled {
            let sentAt = NIODeadline.now()
            do throws(PostgresError) {
                let answer = try await beat()
                // An answer that was lost may have been the one that told: without a lease the rows may be gone, too.
                let mayBeForgotten = !context.lease.isValid(at: .now())
                if answer.wasForgotten, hasBeaten {
                    context.logger.warning("This node had been taken for dead; its sessions are registered again")
                }
                if answer.wasForgotten && hasBeaten || mayBeForgotten {
                    // Before the lease lets them hand out more.
                    await workers.each { $0.forgotten() }
                }
                context.lease.renew(sentAt: sentAt)
                await workers.each {
                    $0.origins.heartBeatAnswered(
                        incarnation: answer.incarnation, term: answer.term, transaction: answer.transaction)
                }
                hasBeaten = true
            } catch {
                context.logger.debug("The node's heart-beat could not be written", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// What others want of this node's sessions: an end, as their user has too many or an operator said so; or a count.
    private func runErrands() async {
        while !Task.isCancelled {
            do throws(PostgresError) {
                // Before sessions are closed, whose clients come back at once.
                try await readRefusedTokens()
                var asked: [SessionID] = []
                for errand in try await context.store.presenceErrands() {
                    guard let id = SessionID(errand.sessionID) else { continue }
                    if errand.isAsked { asked.append(id) }
                    guard let reason = errand.closeReason else { continue }
                    let closeReason = CloseReason(rawValue: reason) ?? .tooManySessions
                    workers.withSession(id) { $0?.fail(closeReason) }
                }
                if !asked.isEmpty { try await answer(asked) }
            } catch {
                context.logger.debug(
                    "What is to be done with sessions could not be read", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: Self.errandInterval)
        }
    }

    private func readRefusedTokens() async throws(PostgresError) {
        let tokens = try await context.store.refusedTokens().compactMap { TokenFingerprint(parsing: $0) }
        let new = context.refusedTokens.update(Set(tokens))
        guard !new.isEmpty else { return }
        await workers.each { worker in
            for session in worker.sessions.all where session.identity?.token.map(new.contains) ?? false {
                session.fail(.closedByOperator)
            }
        }
    }

    private func answer(_ asked: [SessionID]) async throws(PostgresError) {
        var counts: [(sessionID: String, unacknowledged: Int)] = []
        for id in asked {
            let count = await withCheckedContinuation { continuation in
                workers.withSession(id) { continuation.resume(returning: $0?.unacknowledgedCount ?? 0) }
            }
            counts.append((id.description, count))
        }
        try await context.store.answerPresence(counts)
    }

    private func beat() async throws(PostgresError) -> NodeHeartBeat.Answer {
        try await context.store.heartBeat(
            NodeHeartBeat(
                host: ProcessInfo.processInfo.hostName, processID: Int(ProcessInfo.processInfo.processIdentifier),
                listen: listen, sessions: context.occupancy.sessions))
    }
}
