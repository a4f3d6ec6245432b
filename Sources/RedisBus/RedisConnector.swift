import Bus
import NIOCore
import NIOPosix
import NIOSSL

/// Opens sockets to Redis, with TLS where the URL asks for it.
struct RedisConnector: Sendable {
    let configuration: RedisConfiguration
    private let sslContext: NIOSSLContext?

    /// - Throws: `BusError` with `.invalidConfiguration` when the authorities cannot be read.
    init(configuration: RedisConfiguration) throws(BusError) {
        self.configuration = configuration
        guard configuration.usesTLS else {
            sslContext = nil
            return
        }
        var tls = TLSConfiguration.makeClientConfiguration()
        do {
            if let file = configuration.certificateAuthorityFile {
                // Read here, so that a missing file stops the start and not the first connection.
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(file))
            }
            sslContext = try NIOSSLContext(configuration: tls)
        } catch {
            let file = configuration.certificateAuthorityFile ?? "of the system"
            throw BusError(
                .invalidConfiguration, "The certificate authorities for Redis (\(file)) cannot be read: \(error)",
                underlying: error)
        }
    }

    /// A channel on `eventLoop` whose last handler is a `RedisChannelHandler` for `link`.
    func connect(on eventLoop: any EventLoop, link: RedisLink) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let sslContext {
                        try channel.pipeline.syncOperations.addHandler(makeSSLHandler(context: sslContext))
                    }
                    try channel.pipeline.syncOperations.addHandler(RedisChannelHandler(link: link))
                }
            }
            .connect(host: configuration.host, port: configuration.port)
    }

    /// Without a name the certificate is checked against the address of the connection.
    private func makeSSLHandler(context: NIOSSLContext) throws -> NIOSSLClientHandler {
        let isAddress = (try? SocketAddress(ipAddress: configuration.host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : configuration.host)
    }
}
