import Authentication
import BelfryModel
import Bus
import Commands
import Counting
import Delivery
import Logging
import NIOCore
import Outbox
import Postgres

/// A worker without PostgreSQL, Redis, sockets and time, compiled into its module, as its parts are its own business.
/// Subscriptions are taken for caught up with their backlogs, and marks are gathered and not written.
public final class RehearsalNode {
    /// A backlog without a row.
    private struct EmptyPage: BacklogPage {
        let snapshot: TransactionSnapshot
        let rowCount = 0
        let isLast = true

        func stamp(_ row: Int) -> MessageStamp { preconditionFailure("It has no row \(row).") }
        func message(_ row: Int) -> Message { preconditionFailure("It has no row \(row).") }
    }

    public let worker: Worker
    public let limits: Limits

    public init(eventLoop: any EventLoop) throws {
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
        self.limits = limits
        let context = NodeContext(
            store: NodeStore(client: postgres, nodeID: "00000000-0000-0000-0000-000000000001"), bus: MemoryBus(),
            authenticator: DevelopmentAuthenticator(), commands: CommandTable(), limits: limits, version: "1.0.0",
            installation: InstallationIdentity(
                id: Sample.origin.installation, incarnation: Sample.origin.incarnation),
            logger: logger)
        worker = Worker(number: 0, eventLoop: eventLoop, context: context)
        worker.feed.busConnected()
    }

    /// Marks that wait to be written.
    public var pendingMarks: Int { worker.marks.pendingCount }

    /// Opens every channel that is not open, and answers the readings of backlogs: there was nothing. Before the loop
    /// runs, which would ask PostgreSQL.
    public func openChannels() throws {
        guard let snapshot = TransactionSnapshot("1000:1000:") else { throw CountingError("A snapshot is misspelt.") }
        for audience in worker.feed.all where !audience.isOpen {
            worker.feed.busSubscribed(audience.address)
            for consumer in audience.consumers {
                if let request = consumer.takeTurn() {
                    consumer.pageRead(EmptyPage(snapshot: snapshot), for: request)
                }
                guard consumer.isLive else { throw CountingError("A subscription takes no live messages.") }
            }
        }
    }

    /// One read of the bus that brings one message.
    public func receive(_ envelope: ByteBuffer, for address: Address) {
        worker.feed.busReceived(envelope, for: address)
        worker.feed.busReadCompleted()
    }
}
