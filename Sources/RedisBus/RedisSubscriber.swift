import BelfryModel
import Bus
import NIOCore

/// One event loop's subscriber to Redis: a connection of its own on the same loop, which runs the actions of
/// `SubscriberMachine`.
///
/// Unchecked: its variables are touched on the link's event loop only.
final class RedisSubscriber: BusSubscriber, RedisLinkDelegate, @unchecked Sendable {
    private let link: RedisLink
    private let names: ChannelNames
    private let onClose: @Sendable () -> Void
    private weak var delegate: (any BusSubscriberDelegate)?
    private var machine: SubscriberMachine
    private var hasRead = false
    private var isClosed = false

    init(
        link: RedisLink, names: ChannelNames, delegate: any BusSubscriberDelegate,
        onClose: @escaping @Sendable () -> Void
    ) {
        self.link = link
        self.names = names
        self.delegate = delegate
        self.onClose = onClose
        machine = SubscriberMachine(names: names)
    }

    func start() {
        link.eventLoop.execute {
            if !self.isClosed { self.link.start(delegate: self) }
        }
    }

    func subscribe(_ address: Address) {
        link.eventLoop.preconditionInEventLoop()
        guard !isClosed else { return }
        if machine.subscribe(address) { scheduleTurnEnd() }
    }

    func unsubscribe(_ address: Address) {
        link.eventLoop.preconditionInEventLoop()
        guard !isClosed else { return }
        if machine.unsubscribe(address) { scheduleTurnEnd() }
    }

    func close() {
        link.eventLoop.preconditionInEventLoop()
        delegate = nil
        _ = closeLink()
    }

    /// The end of the whole bus: the delegate is told that messages have stopped.
    func busClosed() async {
        try? await link.eventLoop.flatSubmit { self.closeLink() }.get()
    }

    private func closeLink() -> EventLoopFuture<Void> {
        isClosed = true
        onClose()
        return link.close()
    }

    /// What is asked in one turn of the loop goes out together.
    private func scheduleTurnEnd() {
        link.eventLoop.execute {
            guard !self.isClosed else { return }
            let turn = self.machine.turnEnded()
            self.send(turn.commands)
            for address in turn.subscribed { self.delegate?.busSubscribed(address) }
        }
    }

    private func send(_ commands: [SubscriberMachine.Command]) {
        guard !commands.isEmpty else { return }
        var buffer = ByteBuffer()
        do {
            for command in commands {
                switch command {
                case .subscribe(let addresses):
                    try RESPCommand.append("SUBSCRIBE", channelsOf: addresses, names: names, to: &buffer)
                case .unsubscribe(let addresses):
                    try RESPCommand.append("UNSUBSCRIBE", channelsOf: addresses, names: names, to: &buffer)
                }
            }
            link.send(buffer)
        } catch {
            link.fail(error)
        }
    }

    // MARK: RedisLinkDelegate

    /// A subscriber is probed with PING only.
    var isAwaitingAnswers: Bool { false }

    func linkConnected() {
        let commands = machine.connected()
        delegate?.busConnected()
        send(commands)
    }

    func linkReceived(_ value: RESPValue) throws(BusError) {
        switch try machine.valueReceived(value) {
        case .none: break
        case .subscribed(let address): delegate?.busSubscribed(address)
        case .message(let address, let envelope):
            hasRead = true
            delegate?.busReceived(envelope, for: address)
        }
    }

    func linkReadCompleted() {
        guard hasRead else { return }
        hasRead = false
        delegate?.busReadCompleted()
    }

    func linkFailed(_ error: BusError, wasUp: Bool) {
        guard wasUp else { return }
        machine.disconnected()
        linkReadCompleted()
        delegate?.busDisconnected(error)
    }
}
