import BelfryModel
import NIOCore

/// The connections of a node: how many are open and how fast they come, in all and of each address. Pure.
struct ConnectionTable {
    /// Addresses without an open connection that are remembered at most. Where more come in ten seconds, some begin
    /// anew.
    static let addressesMax = 65_536

    private struct Peer {
        var open = 0
        var bucket: TokenBucket
    }

    private let limits: Limits
    private(set) var open = 0
    private var bucket: TokenBucket
    private var peers: [IPAddress: Peer] = [:]
    /// Number of addresses at which those that mean nothing any more are forgotten: looking through all costs little
    /// only now and then.
    private var sweepAt = addressesMax

    /// - Parameter limits: of them those of connections; a rate of 0 is none.
    init(limits: Limits, now: NIODeadline) {
        self.limits = limits
        bucket = TokenBucket(now: now)
    }

    /// Addresses that are remembered.
    var addresses: Int { peers.count }

    /// A connection takes a place on the node.
    mutating func enter(at now: NIODeadline) -> ConnectionRefusal? {
        guard open < limits.connectionsMax else { return .nodeFull }
        let perSecond = limits.connectionsPerSecondMax
        guard perSecond == 0 || bucket.take(perSecond: perSecond, at: now) else { return .nodeRate }
        open += 1
        return nil
    }

    mutating func leave() { open -= 1 }

    /// It takes one of its address's places.
    mutating func enter(from address: IPAddress, at now: NIODeadline) -> ConnectionRefusal? {
        let key = address.ofOnePeer
        var peer = peers[key] ?? Peer(bucket: TokenBucket(now: now))
        guard peer.open < limits.connectionsPerAddressMax else { return .addressFull }
        let perSecond = limits.connectionsPerAddressPerSecondMax
        guard perSecond == 0 || peer.bucket.take(perSecond: perSecond, at: now) else { return .addressRate }
        peer.open += 1
        peers[key] = peer
        if peers.count >= sweepAt { sweep(at: now) }
        return nil
    }

    mutating func leave(from address: IPAddress) {
        // What is open is never forgotten.
        peers[address.ofOnePeer]?.open -= 1
    }

    private mutating func sweep(at now: NIODeadline) {
        peers = peers.filter { $0.value.open > 0 || !$0.value.bucket.isFull(at: now) }
        if peers.count >= sweepAt { peers = peers.filter { $0.value.open > 0 } }
        sweepAt = max(Self.addressesMax, 2 * peers.count)
    }
}
