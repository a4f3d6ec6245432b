import Bus
import Logging
import NIOCore
import Synchronization

/// The bus over Redis: one connection that publishes, and one for each subscriber on the subscriber's own event loop.
///
/// Every connection comes back by itself, with growing pauses; meanwhile publishing fails at once.
public final class RedisBus: Bus {
    private let connector: RedisConnector
    private let names: ChannelNames
    private let logger: Logger
    private let onStateChange: (@Sendable (RedisStateChange) -> Void)?
    private let publisher: RedisPublisher
    private let registry = Mutex(Registry())

    private struct Registry {
        var isClosed = false
        var subscribers: [ObjectIdentifier: RedisSubscriber] = [:]
    }

    /// Starts to connect the publisher; it does not wait for Redis.
    ///
    /// - Parameters:
    ///   - eventLoopGroup: gives the publisher one of its loops.
    ///   - logger: gets one warning an outage and one info a connection.
    ///   - onStateChange: called on event loops, for metrics; it must not block.
    /// - Throws: `BusError` with `.invalidConfiguration` when the certificate authorities cannot be read.
    public init(
        configuration: RedisConfiguration, eventLoopGroup: any EventLoopGroup, logger: Logger,
        onStateChange: (@Sendable (RedisStateChange) -> Void)? = nil
    ) throws(BusError) {
        connector = try RedisConnector(configuration: configuration)
        names = ChannelNames(prefix: configuration.keyPrefix)
        self.logger = logger
        self.onStateChange = onStateChange
        let link = RedisLink(
            role: .publisher, eventLoop: eventLoopGroup.next(), connector: connector, logger: logger,
            onStateChange: onStateChange)
        publisher = RedisPublisher(link: link, names: names)
        publisher.start()
    }

    /// Whether a batch could be published now.
    public var isConnected: Bool { publisher.isConnected }

    public func publish(_ batch: [BusPublication]) async throws(BusError) {
        try await publisher.publish(batch)
    }

    public func makeSubscriber(
        on eventLoop: any EventLoop, delegate: any BusSubscriberDelegate
    ) -> any BusSubscriber {
        let link = RedisLink(
            role: .subscriber, eventLoop: eventLoop, connector: connector, logger: logger,
            onStateChange: onStateChange)
        let id = ObjectIdentifier(link)
        let subscriber = RedisSubscriber(link: link, names: names, delegate: delegate) { [weak self] in
            self?.registry.withLock { $0.subscribers[id] = nil }
        }
        let isOpen = registry.withLock { registry in
            if !registry.isClosed { registry.subscribers[id] = subscriber }
            return !registry.isClosed
        }
        if isOpen { subscriber.start() }
        return subscriber
    }

    public func close() async {
        let subscribers = registry.withLock { registry in
            registry.isClosed = true
            return Array(registry.subscribers.values)
        }
        await publisher.close()
        for subscriber in subscribers { await subscriber.busClosed() }
    }
}
