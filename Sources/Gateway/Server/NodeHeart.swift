import Foundation
import Logging
import Outbox
import Postgres

/// Beats in `belfry.node`, so that others can tell this node from a dead one, and notices when PostgreSQL comes back as
/// another incarnation or has forgotten this node.
struct NodeHeart: Sendable {
    /// Pause between two beats. Others take a node for dead after several of them.
    static let interval = Duration.seconds(2)

    let store: NodeStore
    let occupancy: Occupancy
    let listen: String
    let logger: Logger
    /// The rows of this node's sessions are gone.
    let forgotten: @Sendable () -> Void
    /// Transaction ids seen before may have been given out anew.
    let incarnationChanged: @Sendable () -> Void

    /// Beats until cancelled.
    func run() async {
        var incarnation: String?
        while !Task.isCancelled {
            do throws(PostgresError) {
                let answer = try await beat()
                if let known = incarnation {
                    if answer.wasForgotten {
                        logger.warning("This node had been taken for dead; its sessions are registered again")
                        forgotten()
                    } else if known != answer.incarnation {
                        logger.notice("PostgreSQL was restarted or replaced; backlogs are read again")
                        incarnationChanged()
                    }
                }
                incarnation = answer.incarnation
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
