import NIOCore
import NIOPosix
import NIOSSL

/// Many clients of one node that all speak the same transport, on one event loop.
final class TransportSwarm: Sendable {
    /// Sessions that are opened at a time.
    private static let openingMax = 50

    let sessions: Int
    /// From the first connect until all were subscribed.
    let secondsToReady: Double
    private let channels: [any Channel]
    private let tally: TransportTally

    private init(_ channels: [any Channel], _ tally: TransportTally, secondsToReady: Double) {
        sessions = channels.count
        self.channels = channels
        self.tally = tally
        self.secondsToReady = secondsToReady
    }

    /// Where a node is, and how one gets in.
    struct Place: Sendable {
        let transport: ClientTransport
        let port: Int
        /// The file with the certificate that is trusted, where the transport is encrypted.
        let certificate: String?
        /// The users' ids begin with it.
        let user: String
        let destination: String
    }

    /// Connects and subscribes `sessions` clients.
    ///
    /// - Parameter firstSession: sessions are numbered from it; a node knows SockJS's by the number.
    static func start(
        _ place: Place, sessions: Int, firstSession: Int, on group: any EventLoopGroup
    ) async throws -> TransportSwarm {
        let (tally, began) = (TransportTally(), MonotonicClock.nanoseconds)
        let tls = try place.certificate.map { try context($0) }
        var channels: [any Channel] = []
        for first in stride(from: firstSession, to: firstSession + sessions, by: openingMax) {
            let numbers = first..<min(first + openingMax, firstSession + sessions)
            channels += try await withThrowingTaskGroup(of: (any Channel).self) { tasks in
                for number in numbers { tasks.addTask { try await open(place, number, tls, tally, group) } }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
        }
        return TransportSwarm(
            channels, tally, secondsToReady: Double(MonotonicClock.nanoseconds - began) / 1e9)
    }

    private static func context(_ certificate: String) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(certificate)
        configuration.certificateVerification = .noHostnameVerification
        return try NIOSSLContext(configuration: configuration)
    }

    private static func open(
        _ place: Place, _ number: Int, _ tls: NIOSSLContext?, _ tally: TransportTally, _ group: any EventLoopGroup
    ) async throws -> any Channel {
        let transport = place.transport
        let steps = [
            ClientStep(
                transport.packed(
                    "CONNECT\naccept-version:1.2\nhost:127.0.0.1\nAuthorization:\(place.user)\(number)\n\n",
                    session: number), answer: "CONNECTED"),
            ClientStep(
                transport.packed(
                    "SUBSCRIBE\nid:0\nack:auto\nreceipt:s\ndestination:\(place.destination)\n\n", session: number),
                answer: "receipt-id:s"),
        ]
        guard transport.sendsByRequest, let opening = transport.opening(number) else {
            return try await connect(
                place, (transport.opening(number).map { [$0] } ?? []) + steps, nil, tls, tally, group)
        }
        // Both connections are there from the first step on; what is sent is answered on each.
        let reading = try await connect(place, [opening], transport.reopening(number), tls, tally, group)
        for step in steps {
            let sender = try await connect(
                place, [ClientStep(step.bytes, answer: "204 No Content")], nil, tls, TransportTally(), group)
            try await sender.close()
        }
        return reading
    }

    /// Returns when the last of the steps is answered.
    private static func connect(
        _ place: Place, _ steps: [ClientStep], _ reopening: [UInt8]?, _ tls: NIOSSLContext?, _ tally: TransportTally,
        _ group: any EventLoopGroup
    ) async throws -> any Channel {
        let loop = group.next()
        let ready = loop.makePromise(of: Void.self)
        let bootstrap = ClientBootstrap(group: loop).channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: nil))
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        TransportClient(
                            steps: steps, timeMark: place.transport.timeMark, reopening: reopening, tally: tally,
                            ready: ready))
                }
            }
        do {
            let channel = try await bootstrap.connect(host: "127.0.0.1", port: place.port).get()
            try await ready.futureResult.get()
            return channel
        } catch {
            ready.fail(error)
            throw LoadError("\(place.transport.rawValue), port \(place.port): \(error)")
        }
    }

    /// Messages that all have received so far.
    var received: Int { tally.received }

    /// The latencies since the last call in microseconds.
    func takeSamples() -> [Double] { tally.takeSamples() }

    /// Waits until `count` messages have been received since the start.
    ///
    /// - Throws: when a connection has ended, when more came, or when it takes over ten seconds.
    func wait(forReceived count: Int) async throws {
        let limit = MonotonicClock.nanoseconds + 10_000_000_000
        while received < count {
            guard MonotonicClock.nanoseconds < limit, tally.ended == 0 else {
                throw LoadError("\(received) of \(count) messages arrived; \(tally.ended) connections have ended.")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
        guard received == count else { throw LoadError("\(received) messages arrived, \(count) were sent.") }
    }

    /// Closes all connections.
    func stop() async { for channel in channels { try? await channel.close() } }
}
