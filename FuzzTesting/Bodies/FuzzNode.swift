import Authentication
import BelfryModel
import Bus
import Commands
import Delivery
import Dispatch
import Logging
import NIOCore
import Outbox
import Postgres

@testable import Node

/// A worker without sockets, with a real bus in memory, and with a PostgreSQL that is away: its client is closed, so
/// that each statement fails at once. Subscriptions can be taken for caught up with their backlogs.
final class FuzzNode {
    /// A backlog without a row.
    private struct EmptyPage: BacklogPage {
        let snapshot: TransactionSnapshot
        let rowCount = 0
        let isLast = true

        func stamp(_ row: Int) -> MessageStamp { fatalError("It has no row \(row).") }
        func message(_ row: Int) -> Message { fatalError("It has no row \(row).") }
    }

    static let limits: Limits = {
        var limits = Limits()
        limits.headerLineBytesMax = 200
        limits.headerBytesMax = 1_000
        limits.headersMax = 8
        limits.bodyBytesMax = 1_000
        limits.webSocketMessageBytesMax = 4_000
        limits.subscriptionsMax = 4
        limits.inFlightMax = 3
        limits.outboundBytesMax = 20_000
        limits.receiptsOwedMax = 4
        return limits
    }()

    private static let origin = Envelope.Origin(
        installation: UniqueID(high: 1, low: 2), incarnation: UniqueID(high: 3, low: 4), term: 1)

    private static let store: NodeStore = {
        guard
            let configuration = try? PostgresConfiguration(
                url: "postgresql://nobody@127.0.0.1:1/nothing", applicationName: "belfry-fuzz")
        else { fatalError("The URL is one.") }
        let client = PostgresClient(configuration: configuration, size: 1)
        client.refuse()
        return NodeStore(client: client, nodeID: "00000000-0000-0000-0000-000000000001")
    }()

    let loop = FuzzLoop()
    let worker: Worker
    private let context: NodeContext
    private var messages: Int64 = 0

    init() {
        var logger = Logger(label: "belfry.fuzz")
        logger.logLevel = .critical
        context = NodeContext(
            store: Self.store, bus: MemoryBus(), authenticator: DevelopmentAuthenticator(), commands: CommandTable(),
            limits: Self.limits, version: "fuzz",
            installation: InstallationIdentity(id: Self.origin.installation, incarnation: Self.origin.incarnation),
            logger: logger)
        worker = Worker(number: 0, eventLoop: loop, context: context)
        worker.start()
        loop.run()
    }

    /// Has every subscription take live messages.
    func openChannels() {
        guard let snapshot = TransactionSnapshot("1000:1000:") else { fatalError("A snapshot is misspelt.") }
        for audience in worker.feed.all {
            worker.feed.busSubscribed(audience.address)
            for consumer in audience.consumers {
                if let request = consumer.takeTurn() {
                    consumer.pageRead(EmptyPage(snapshot: snapshot), for: request)
                }
            }
        }
    }

    /// A message comes by the bus for everybody who is subscribed.
    func publish(_ body: [UInt8]) {
        messages += 1
        for audience in Array(worker.feed.all) {
            var envelope = ByteBuffer()
            body.withUnsafeBytes { body in
                Envelope.encode(
                    origin: Self.origin, id: MessageID(rawValue: messages), xid: 2_000 + UInt64(messages),
                    createdAtMicroseconds: messages, expiresAtMilliseconds: nil,
                    headerLines: UnsafeRawBufferPointer(start: nil, count: 0), body: body, into: &envelope)
            }
            worker.feed.busReceived(envelope, for: audience.address)
        }
        worker.feed.busReadCompleted()
    }

    /// Every session sees that it is `seconds` later.
    func later(_ seconds: Int64) {
        let now = NIODeadline.now() + .seconds(seconds)
        for session in worker.sessions.all { session.tick(at: now) }
        worker.flushQueue.flush()
    }

    /// Ends the worker. Nothing may be left of the sessions.
    func end() {
        _ = worker.stop(within: .zero)
        loop.run()
        loop.embedded.advanceTime(by: .seconds(10))
        loop.run()
        mustHold(worker.sessions.count == 0, "no session is left")
        mustHold(!worker.sessions.hasTransports, "no transport is left")
        mustHold(context.occupancy.sessions == 0, "no place is taken")
    }
}

extension PostgresClient {
    /// Refuses every statement from now on.
    fileprivate func refuse() {
        let done = DispatchSemaphore(value: 0)
        Task {
            await close()
            done.signal()
        }
        done.wait()
    }
}
