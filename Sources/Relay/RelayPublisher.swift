import BelfryModel
import Bus
import Logging
import NIOCore
import Outbox
import Postgres
import Synchronization

/// Hands a page to the bus, and finds out whose fault it is when the bus refuses.
struct RelayPublisher: Sendable {
    /// How a page fared.
    enum Outcome: Sendable {
        case published(PublishedPage)
        /// Nothing can be published now; the page is to be read and tried again.
        case unavailable(BusError)
    }

    /// A page that was published but for its faulty messages.
    struct PublishedPage: Sendable {
        /// The rows of the page that the bus took.
        var rows: [Int] = []
        /// Those of them that were broadcasts.
        var broadcasts: [MessageID] = []
        var parked = 0
    }

    /// A message ready to go.
    private struct Item: Sendable {
        let row: Int
        let publication: BusPublication
    }

    private struct Refusal: Sendable {
        let row: Int
        let error: BusError
    }

    /// The pause before a message that the bus refused is tried again.
    private static let retryDelay: Duration = .seconds(1)
    /// A topic that nobody has: published to learn whether the bus takes anything at all.
    private static let probeTopic = Address.topic("belfry.relay.probe")

    let bus: any Bus
    /// For messages that could not be published; not the loop's connection, whose statements are not to wait.
    let store: RelayStore
    /// Failures that could not be noted yet.
    let heldFailures = HeldFailures()
    let limits: Limits
    let logger: Logger
    let trace: RelayTrace

    /// Publishes the rows of a page that are ready, in their order.
    func publish(_ page: RelayPage, from origin: Envelope.Origin) async -> Outcome {
        var outcome = PublishedPage()
        var refusals: [Refusal] = []
        let items = encode(page, from: origin, &refusals)
        do throws(BusError) {
            try await send(items[...], &refusals)
        } catch {
            return .unavailable(error)
        }
        for refusal in refusals where await record(refusal, page) { outcome.parked += 1 }
        let refusedRows = Set(refusals.map(\.row))
        for item in items where !refusedRows.contains(item.row) {
            outcome.rows.append(item.row)
            if case .topic = item.publication.address { outcome.broadcasts.append(page.messageID(item.row)) }
        }
        return .published(outcome)
    }

    /// The envelopes, as slices of one buffer: all are written before the first is cut off, as writing to a buffer that
    /// is shared with a slice would copy it. What is too large for the bus is refused here.
    private func encode(_ page: RelayPage, from origin: Envelope.Origin, _ refusals: inout [Refusal]) -> [Item] {
        var buffer = ByteBuffer()
        var places: [(row: Int, length: Int)] = []
        places.reserveCapacity(page.rows.count)
        for row in page.rows where page.isReady(row) {
            page.withHeaderLines(row) { headerLines in
                page.withBody(row) { body in
                    let bytes = Envelope.prefixBytes + headerLines.count + body.count
                    guard bytes <= limits.envelopeBytesMax else {
                        let message = "Its envelope has \(bytes) bytes; at most \(limits.envelopeBytesMax) are allowed."
                        return refusals.append(Refusal(row: row, error: BusError(.invalidConfiguration, message)))
                    }
                    Envelope.encode(
                        origin: origin, id: page.messageID(row), xid: page.xid(row),
                        createdAtMicroseconds: page.createdAtMicroseconds(row),
                        expiresAtMilliseconds: page.expiresAtMilliseconds(row),
                        isRedelivered: page.isRedelivered(row), headerLines: headerLines, body: body, into: &buffer)
                    places.append((row, bytes))
                }
            }
        }
        return places.compactMap { row, length in
            buffer.readSlice(length: length).map { envelope in
                Item(row: row, publication: BusPublication(address: page.address(row), envelope: envelope))
            }
        }
    }

    /// Publishes, and when the bus refuses, halves until what it refuses is found. Halves go in order, and nodes drop
    /// what they get twice, so receivers see the order of the page.
    private func send(_ items: ArraySlice<Item>, _ refusals: inout [Refusal]) async throws(BusError) {
        guard let first = items.first else { return }
        do throws(BusError) {
            try await bus.publish(items.map(\.publication))
        } catch {
            guard error.code == .refused else { throw error }
            if items.count == 1 {
                // Whose fault is it? A bus that refuses an empty message to nobody refuses everything.
                try await bus.publish([BusPublication(address: Self.probeTopic, envelope: ByteBuffer())])
                return refusals.append(Refusal(row: first.row, error: error))
            }
            let middle = items.startIndex + items.count / 2
            try await send(items[..<middle], &refusals)
            try await send(items[middle...], &refusals)
        }
    }

    /// Notes a refusal in the outbox. Returns whether the message was parked.
    private func record(_ refusal: Refusal, _ page: RelayPage) async -> Bool {
        let isOurs = refusal.error.code != .refused
        let reason =
            isOurs ? refusal.error.message : "The bus refused it: \(refusal.error.message)"
        return await record(
            HeldFailures.Failure(
                id: page.messageID(refusal.row), xid: page.xid(refusal.row),
                reason: String(reason.prefix(1_000).filter { $0 != "\0" }),
                attemptsMax: isOurs ? 1 : limits.publishAttemptsMax))
    }

    /// What can't be noted now, because the row is held or PostgreSQL refuses, is tried again with the housekeeping:
    /// the page goes on.
    private func record(_ failure: HeldFailures.Failure) async -> Bool {
        let outcome: PublishFailure
        do throws(PostgresError) {
            outcome = try await store.recordFailure(
                failure.id, xid: failure.xid, reason: failure.reason, attemptsMax: failure.attemptsMax,
                delay: Self.retryDelay)
        } catch {
            logger.debug("The refusal of message \(failure.id) could not be recorded; trying again: \(error)")
            heldFailures.add(failure)
            return false
        }
        switch outcome {
        case .parked:
            logger.warning("Message \(failure.id) was parked: \(failure.reason)")
            trace.failed(failure.id, .parked, failure.reason)
            return true
        case .postponed:
            logger.debug("Message \(failure.id) will be tried again: \(failure.reason)")
            trace.failed(failure.id, .publishFailed, failure.reason)
            return false
        case .held:
            heldFailures.add(failure)
            return false
        case .gone:
            return false
        }
    }

    /// Notes the failures whose rows another transaction held. Returns how many messages were parked.
    func recordHeld() async -> Int {
        var parked = 0
        for failure in heldFailures.take() where await record(failure) { parked += 1 }
        return parked
    }
}

/// Failures to publish that could not be noted, as another transaction holds the message's row. Forgotten with the
/// leader: the message is found in the outbox by its receiver's node in any case.
final class HeldFailures: Sendable {
    struct Failure: Sendable {
        let id: MessageID
        let xid: UInt64
        let reason: String
        let attemptsMax: Int
    }

    private static let failuresMax = 10_000
    private let failures = Mutex<[Failure]>([])

    func add(_ failure: Failure) {
        failures.withLock { if $0.count < Self.failuresMax { $0.append(failure) } }
    }

    func take() -> [Failure] {
        failures.withLock { failures in
            defer { failures = [] }
            return failures
        }
    }
}
