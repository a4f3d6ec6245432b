import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

/// Opens connections to a server: TCP, TLS where the URL asks for it, and the handshake of a WebSocket.
struct Connector: Sendable {
    let address: ServerAddress
    private let eventLoop: any EventLoop
    private let tls: NIOSSLContext?
    private let handshakeHeaders: [String: String]
    private let connectTimeout: TimeAmount
    private let frameBytesMax: Int

    /// What the header lines of a MESSAGE may add to its body.
    private static let headerRoom = 128 * 1024
    private static let subprotocol = "v12.stomp"

    /// - Throws: `BelfryClientError` with `.invalidConfiguration`.
    init(
        _ address: ServerAddress, configuration: BelfryClient.Configuration, eventLoop: any EventLoop
    ) throws(BelfryClientError) {
        self.address = address
        self.eventLoop = eventLoop
        connectTimeout = TimeAmount(configuration.connectTimeout)
        frameBytesMax = min(configuration.messageBytesMax, Int(Int32.max)) + Self.headerRoom
        handshakeHeaders = configuration.handshakeHeaders
        for (name, value) in handshakeHeaders {
            guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }),
                !value.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f })
            else {
                throw BelfryClientError(.invalidConfiguration, "A header of the handshake cannot be sent: '\(name)'.")
            }
        }
        do {
            tls = address.usesTLS ? try NIOSSLContext(configuration: configuration.tls) : nil
        } catch {
            throw BelfryClientError(
                .invalidConfiguration, "The settings of TLS cannot be used: \(error)", underlying: error)
        }
    }

    /// - Parameter connection: gets the last handler of the channel; is told when it is of use, and of its end.
    func open(_ connection: ClientConnection) {
        ClientBootstrap(group: eventLoop)
            .connectTimeout(connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            // One read brings no more than a buffer, so that reading stops soon when it has to.
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    connection.opening(channel)
                    try addTLS(to: channel)
                    if address.isWebSocket {
                        try upgrade(channel, connection)
                    } else {
                        try connection.attach(to: channel)
                    }
                }
            }
            .connect(host: address.host, port: address.port)
            .whenFailure { connection.failed($0) }
    }

    private func upgrade(_ channel: any Channel, _ connection: ClientConnection) throws {
        let upgrader = NIOTypedWebSocketClientUpgrader<Bool>(
            maxFrameSize: frameBytesMax, enableAutomaticErrorHandling: false,
            upgradePipelineHandler: { channel, _ in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(WebSocketClientHandler())
                    try connection.attach(to: channel)
                    return true
                }
            })
        let upgraded = try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
            configuration: .init(
                upgradeConfiguration: .init(
                    upgradeRequestHead: handshake, upgraders: [upgrader],
                    notUpgradingCompletionHandler: { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try refused(on: channel, connection)
                            return false
                        }
                    })))
        upgraded.whenFailure { connection.failed($0) }
        upgraded.whenSuccess { isUpgraded in
            guard isUpgraded else { return }
            // What is written before the handshake's own handler has gone is lost.
            eventLoop.execute { connection.opened() }
        }
    }

    private var handshake: HTTPRequestHead {
        var headers = HTTPHeaders([("Host", address.authority), ("Sec-WebSocket-Protocol", Self.subprotocol)])
        for (name, value) in handshakeHeaders { headers.add(name: name, value: value) }
        return HTTPRequestHead(version: .http1_1, method: .GET, uri: address.path, headers: headers)
    }

    /// Without a name the certificate is checked against the address of the connection.
    private func addTLS(to channel: any Channel) throws {
        guard let tls else { return }
        let isAddress = (try? SocketAddress(ipAddress: address.host, port: 0)) != nil
        try channel.pipeline.syncOperations.addHandler(
            try NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : address.host))
    }

    private func refused(on channel: any Channel, _ connection: ClientConnection) throws {
        let promise = channel.eventLoop.makePromise(of: ConnectionEnd.self)
        promise.futureResult.whenSuccess { connection.ended($0) }
        try channel.pipeline.syncOperations.addHandler(RefusedHandshakeHandler(promise))
    }
}
