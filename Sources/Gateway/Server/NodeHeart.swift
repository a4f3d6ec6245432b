import Foundation
import Logging
import NIOCore
import Outbox
import Postgres

/// Beats in `belfry.node`, so that others can tell this node from a dead one; tells which life of PostgreSQL and which term
/// the answer was from, and notices when PostgreSQL has forgotten this node.
struct NodeHeart: Sendable {
    /// Pause between two beats. Others take a node for dead after several of them.
    static let interval = Duration.seconds(2)

    let store: NodeStore
    let occupancy: Occupancy
    let listen: String
    let lease: NodeLease
    let logger: Logger
    /// The rows of this node's sessions are gone.
    let forgotten: @Sendable () -> Void
    let answered: @Sendable (NodeHeartBeat.Answer) -> Void

    /// Beats until cancelled.
    func run() async {
        var hasBeaten = false
        while !Task.isCancelled {
            let sentAt = NIODeadline.now()
            do throws(PostgresError) {
                let answer = try await beat()
                if hasBeaten, answer.wasForgotten {
                    logger.warning("This node had been taken for dead; its sessions are registered again")
                    forgotten()
                }
                lease.renew(sentAt: sentAt)
                answered(answer)
                hasBeaten = true
            } catch {
                logger.debug("The node's heart-beat could not be written", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func beat() async throws(PostgresError) -> NodeHeartBeat.Answer {
        try await store.heartBeat(
            NodeHeartBeat(
                host: ProcessInfo.processInfo.hostName, processID: Int(ProcessInfo.processInfo.processIdentifier),
                listen: listen, sessions: occupancy.sessions))
    }
}
