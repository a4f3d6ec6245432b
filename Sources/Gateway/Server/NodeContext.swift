import BelfryModel
import Bus
import Logging
import NIOCore
import Outbox

/// What the shards of a node share.
struct NodeContext: Sendable {
    let store: NodeStore
    let bus: any Bus
    let authenticator: any Authenticator
    let limits: Limits
    let version: String
    let logger: Logger
    let occupancy: Occupancy
    /// Whose messages these are: `belfry.installation`.
    let installation: UniqueID
    /// The life of PostgreSQL when the node started.
    let incarnation: UniqueID
    let lease = NodeLease(now: .now())
    let counters = GatewayMetrics()
    let allocator = ByteBufferAllocator()
}
