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
            tasks.addTask { await closeWhatIsToBeClosed() }
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
                await workers.each { $0.origins.heartBeatAnswered(incarnation: answer.incarnation, term: answer.term) }
                hasBeaten = true
            } catch {
                context.logger.debug("The node's heart-beat could not be written", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Sessions of users who have too many, as another node has found.
    private func closeWhatIsToBeClosed() async {
        while !Task.isCancelled {
            do throws(PostgresError) {
                for closing in try await context.store.closingPresence() {
                    guard let id = SessionID(closing.sessionID) else { continue }
                    let reason = CloseReason(rawValue: closing.reason) ?? .tooManySessions
                    workers.withSession(id) { $0?.fail(reason) }
                }
            } catch {
                context.logger.debug(
                    "Which sessions are to be closed could not be read", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func beat() async throws(PostgresError) -> NodeHeartBeat.Answer {
        try await context.store.heartBeat(
            NodeHeartBeat(
                host: ProcessInfo.processInfo.hostName, processID: Int(ProcessInfo.processInfo.processIdentifier),
                listen: listen, sessions: context.occupancy.sessions))
    }
}
