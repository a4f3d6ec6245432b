import Bus
import NIOCore
import Synchronization

/// The connection that publishes: batches are written whole and their answers matched in order.
///
/// Unchecked: its variables are touched on the link's event loop only, but for `phase`.
final class RedisPublisher: RedisLinkDelegate, @unchecked Sendable {
    typealias Waiter = CheckedContinuation<Result<Void, BusError>, Never>

    private enum Phase {
        /// With the reason, once there has been a try.
        case away(BusError?)
        case connected
        case closed
    }

    private let link: RedisLink
    private let names: ChannelNames
    private let phase = Mutex(Phase.away(nil))
    private var machine = PublisherMachine<Waiter>()

    init(link: RedisLink, names: ChannelNames) {
        self.link = link
        self.names = names
    }

    var isConnected: Bool {
        phase.withLock { phase in
            switch phase {
            case .connected: true
            case .away, .closed: false
            }
        }
    }

    func start() {
        link.eventLoop.execute { self.link.start(delegate: self) }
    }

    func publish(_ batch: [BusPublication]) async throws(BusError) {
        try checkConnected()
        guard !batch.isEmpty else { return }
        let commands = try encode(batch)
        let result = await withCheckedContinuation { (waiter: Waiter) in
            link.eventLoop.execute { self.send(commands, count: batch.count, waiter: waiter) }
        }
        try result.get()
    }

    func close() async {
        phase.withLock { $0 = .closed }
        try? await link.eventLoop.flatSubmit { self.link.close() }.get()
    }

    private func checkConnected() throws(BusError) {
        switch phase.withLock({ $0 }) {
        case .connected: return
        case .away(let reason):
            throw BusError(
                .unavailable, "Redis is away and is being tried again. \(reason?.message ?? "")", underlying: reason)
        case .closed: throw BusError(.closed, "The bus has been closed.")
        }
    }

    /// On the caller's thread, to keep the event loop free.
    private func encode(_ batch: [BusPublication]) throws(BusError) -> ByteBuffer {
        var commands = ByteBuffer()
        commands.reserveCapacity(batch.reduce(0) { $0 + $1.envelope.readableBytes + 64 })
        var channel: [UInt8] = []
        for publication in batch {
            channel.removeAll(keepingCapacity: true)
            names.append(publication.address, to: &channel)
            try RESPCommand.appendPublish(channel: channel, payload: publication.envelope, to: &commands)
        }
        return commands
    }

    private func send(_ commands: ByteBuffer, count: Int, waiter: Waiter) {
        guard link.isUp else {
            waiter.resume(returning: .failure(link.failure("was lost before the batch was written")))
            return
        }
        machine.batchSent(count: count, waiter: waiter)
        link.send(commands)
    }

    private func change(to new: Phase) {
        phase.withLock { phase in
            switch phase {
            case .away, .connected: phase = new
            case .closed: break
            }
        }
    }

    // MARK: RedisLinkDelegate

    var isAwaitingAnswers: Bool { machine.isAwaiting }

    func linkConnected() {
        change(to: .connected)
    }

    func linkReceived(_ value: RESPValue) throws(BusError) {
        switch machine.valueReceived(value) {
        case .none: break
        case .finish(let waiter, let error): waiter.resume(returning: error.map { .failure($0) } ?? .success(()))
        case .close(let error): throw error
        }
    }

    func linkReadCompleted() {}

    func linkFailed(_ error: BusError, wasUp: Bool) {
        change(to: .away(error))
        for waiter in machine.disconnected() { waiter.resume(returning: .failure(error)) }
    }
}
