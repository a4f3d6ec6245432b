import BelfryModel
import Bus
import Counting
import Logging
import NIOCore
import Outbox
import Postgres

/// A shard with clients, without PostgreSQL, Redis, sockets and time. Subscriptions are taken for caught up with their
/// backlog, and marks are gathered and not written.
final class RehearsalNode {
    let loop = RehearsalLoop()
    let shard: Shard

    init() throws {
        // Never started: it has no connections, and no case asks for one.
        let postgres = PostgresClient(
            configuration: try PostgresConfiguration(
                url: "postgresql://nobody@127.0.0.1:1/nothing", applicationName: "instruction-counts"), size: 1)
        var logger = Logger(label: "instruction-counts")
        logger.logLevel = .critical
        var limits = Limits()
        // The cases that only send, or only acknowledge, have all their messages in flight at once.
        limits.inFlightMax = 10_000
        limits.marksMax = 200_000
        limits.marksPendingMax = 1_000_000
        limits.sessionsPerUserMax = 1_000
        let context = NodeContext(
            store: NodeStore(client: postgres, nodeID: "00000000-0000-0000-0000-000000000001"), bus: MemoryBus(),
            authenticator: DevelopmentAuthenticator(), limits: limits, version: "1.0.0", logger: logger,
            occupancy: Occupancy(sessionsMax: limits.sessionsMax), installation: Sample.origin.installation,
            incarnation: Sample.origin.incarnation)
        shard = Shard(eventLoop: loop, context: context)
        shard.busConnected()
    }

    /// A client that has said nothing yet.
    func client() throws -> RehearsalClient { try RehearsalClient(shard: shard, loop: loop) }

    /// A client that is subscribed, and whose subscription takes live messages.
    func subscribed(_ user: String, to destination: String, ack: AckMode) throws -> RehearsalClient {
        let client = try client()
        try client.connect(as: user)
        let subscribe = "SUBSCRIBE\nid:sub-0\ndestination:\(destination)\nack:\(ack.rawValue)\n\n\0"
        try client.send(RehearsalClient.frame(subscribe))
        for audience in shard.audiences.values where !audience.isOpen {
            shard.busSubscribed(audience.address)
            try splice(audience)
        }
        loop.run()
        return client
    }

    enum AckMode: String {
        case auto
        case clientIndividual = "client-individual"
    }

    /// Answers the reading of the backlog: there was nothing. Before the loop runs, which would ask PostgreSQL.
    private func splice(_ audience: Audience) throws {
        guard let snapshot = TransactionSnapshot("1000:1000:") else { throw CountingError("A snapshot is misspelt.") }
        for delivery in audience.deliveries {
            if delivery.machine.nextPage() != nil {
                _ = delivery.machine.pageSent(last: nil, snapshot: snapshot, isLast: true)
            }
            guard delivery.machine.isLive else { throw CountingError("A subscription takes no live messages.") }
        }
    }

    /// One read of the bus that brings one message.
    func receive(_ envelope: ByteBuffer, for address: Address) {
        shard.busReceived(envelope, for: address)
        shard.busReadCompleted()
        loop.run()
    }
}
