import NIOCore
import Synchronization

/// Until when a node may hand out what the bus brings: while it has told PostgreSQL of late that it lives.
///
/// After 15 s without a sign of life the relay takes a node for dead and marks what its sessions may have been shown.
/// What the node handed out after that moment would be marked by nobody, so it stops before: live messages are dropped
/// then, and when PostgreSQL is back every subscription reads what it missed.
final class NodeLease: Sendable {
    /// From the sending of a heart-beat that was answered.
    static let length = TimeAmount.seconds(10)

    private let end: Atomic<UInt64>

    /// - Parameter now: a node's first heart-beat has as much time as any.
    init(now: NIODeadline) { end = Atomic((now + Self.length).uptimeNanoseconds) }

    /// A heart-beat that was sent at `sentAt` has been answered.
    func renew(sentAt: NIODeadline) { end.store((sentAt + Self.length).uptimeNanoseconds, ordering: .relaxed) }

    func isValid(at now: NIODeadline) -> Bool { now.uptimeNanoseconds < end.load(ordering: .relaxed) }
}
