import BelfryModel
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Lets connections in to a node, or not, for all of its ports and event loops. Asked when a connection comes and goes,
/// never for a message.
public final class ConnectionGate: Sendable {
    /// The pause between two warnings: whoever is refused comes again.
    private static let warningPause = TimeAmount.seconds(60)

    let trusted: TrustedProxies
    let metrics = ListenerMetrics()
    private let logger: Logger
    private let table: NIOLockedValueBox<ConnectionTable>
    private let warnAgainAt = NIOLockedValueBox(NIODeadline.uptimeNanoseconds(0))

    /// - Parameters:
    ///   - limits: of them those of connections.
    ///   - trusted: proxies, which have no limits of their own: their clients have.
    public init(limits: Limits, trusted: TrustedProxies = TrustedProxies(), logger: Logger) {
        self.trusted = trusted
        self.logger = logger
        table = NIOLockedValueBox(ConnectionTable(limits: limits, now: .now()))
    }

    /// Whether an address is let in without limits of its own: a proxy's, whose clients have theirs, and this
    /// machine's.
    func isExempt(_ address: IPAddress?) -> Bool {
        guard let address else { return true }
        return address.isLoopback || trusted.contains(address)
    }

    /// A new connection takes a place on the node, until it is closed.
    func enter(_ channel: any Channel, port: ListenerPort) throws(ConnectionRefusal) {
        if let refusal = table.withLockedValue({ $0.enter(at: .now()) }) {
            throw refused(refusal, IPAddress(channel.remoteAddress))
        }
        metrics.opened(port)
        channel.closeFuture.whenComplete { _ in
            self.table.withLockedValue { $0.leave() }
            self.metrics.closed(port)
        }
    }

    /// It takes one of its client's places, if that has limits.
    func enter(_ channel: any Channel, from address: IPAddress?) throws(ConnectionRefusal) {
        guard let address, !isExempt(address) else { return }
        if let refusal = table.withLockedValue({ $0.enter(from: address, at: .now()) }) {
            throw refused(refusal, address)
        }
        channel.closeFuture.whenComplete { _ in self.table.withLockedValue { $0.leave(from: address) } }
    }

    /// Counts a refusal, and warns of it now and then. Returns it.
    @discardableResult
    func refused(_ refusal: ConnectionRefusal, _ address: IPAddress?) -> ConnectionRefusal {
        metrics.refused(refusal)
        // The others are everyday life of a port that everybody reaches.
        guard refusal.isOfLimit else { return refusal }
        let now = NIODeadline.now()
        let warns = warnAgainAt.withLockedValue { at in
            guard now >= at else { return false }
            at = now + Self.warningPause
            return true
        }
        guard warns else { return refusal }
        logger.warning(
            "Connections are refused\(refusal.isOfOneAddress ? "; a proxy belongs in trustedProxies" : "")",
            metadata: ["reason": "\(refusal.rawValue)", "address": "\(address.map { "\($0)" } ?? "none")"])
        return refusal
    }
}
