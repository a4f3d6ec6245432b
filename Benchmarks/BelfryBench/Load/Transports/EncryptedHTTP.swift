import NIOCore
import NIOPosix
import NIOSSL

/// The least of HTTPS: asks a loopback port whether its node is ready.
enum EncryptedHTTP {
    /// Whether `/health/ready` answers 200. Whose certificate it is does not matter.
    static func isReady(port: Int) async -> Bool {
        let request = Array("GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n\r\n".utf8)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let ready = loop.makePromise(of: Void.self)
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(.seconds(1)).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                var configuration = TLSConfiguration.makeClientConfiguration()
                configuration.certificateVerification = .none
                try channel.pipeline.syncOperations.addHandlers(
                    NIOSSLClientHandler(context: try NIOSSLContext(configuration: configuration), serverHostname: nil),
                    TransportClient(
                        steps: [ClientStep(request, answer: "HTTP/1.1 200 ")], timeMark: [0], reopening: nil,
                        tally: TransportTally(), ready: ready))
            }
        }
        do {
            let channel = try await bootstrap.connect(host: "127.0.0.1", port: port).get()
            try await ready.futureResult.get()
            try? await channel.close()
            return true
        } catch {
            ready.fail(error)
            return false
        }
    }
}
