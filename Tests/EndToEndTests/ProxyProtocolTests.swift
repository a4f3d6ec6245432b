import BelfryModel
import Gateway
import Listening
import TestBasics
import TestSupport
import Testing

/// Connections that a proxy passes on with a PROXY header in front.
@Suite struct ProxyProtocolTests {
    private static let get = Array("GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
    private static let connect = Array("CONNECT\naccept-version:1.2\nhost:x\ntoken:alice\n\n\0".utf8)
    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]

    /// A header of a client's connection over IPv4.
    private static func header(_ client: [UInt8]) -> [UInt8] {
        signature + [0x21, 0x11, 0, 12] + client + [127, 0, 0, 1, 0x30, 0x39, 0, 80]
    }

    private func with(
        trusted: String, limits: Limits = Limits(), tls: ServerTLS? = nil, _ body: (Installation) async throws -> Void
    ) async throws {
        try await Installation.with(
            limits: limits,
            configure: {
                $0.trustedProxies = TrustedProxies([trusted].compactMap { AddressRange(parsing: $0) })
                $0.http.takesProxyHeaders = true
                $0.stomp?.takesProxyHeaders = true
                $0.http.tls = tls
                $0.stomp?.tls = tls
            }, body)
    }

    @Test func behindTheHeaderComesWhatIsServed() async throws {
        try await with(trusted: "127.0.0.0/8") { belfry in
            let http = try await RawConnection.open(port: belfry.port)
            for byte in Self.header([192, 0, 2, 7]) { try await http.send([byte]) }
            try await http.send(Self.get)
            try await http.receive("HTTP/1.1 200 ")
            await http.close()
            let stomp = try await RawConnection.open(port: belfry.nodes[0].stompPort)
            try await stomp.send(Self.header([192, 0, 2, 7]) + Self.connect)
            try await stomp.receive("CONNECTED\n")
            await stomp.close()
            // The proxy's own health check.
            let check = try await RawConnection.open(port: belfry.port)
            try await check.send(Self.signature + [0x20, 0, 0, 0] + Self.get)
            try await check.receive("HTTP/1.1 200 ")
            await check.close()
        }
    }

    @Test func theHeaderComesBeforeTLS() async throws {
        let certificate = try TestCertificate.make("proxied")
        let tls = try ServerTLS(
            files: TLSFiles(certificates: certificate.certificates.path, key: certificate.key.path), logger: .quiet)
        try await with(trusted: "127.0.0.1", tls: tls) { belfry in
            let connection = try await RawConnection.open(
                port: belfry.port, tls: certificate.client(), first: Self.header([192, 0, 2, 7]))
            try await connection.send(Self.get)
            try await connection.receive("HTTP/1.1 200 ")
            await connection.close()
        }
    }

    @Test func whoIsNotTrustedMayNotSendOneAndIsServedWithout() async throws {
        try await with(trusted: "10.0.0.0/8") { belfry in
            for (port, rest) in [(belfry.port, Self.get), (belfry.nodes[0].stompPort, Self.connect)] {
                let liar = try await RawConnection.open(port: port)
                try await liar.send(Self.header([10, 0, 0, 1]) + rest)
                try await liar.ended(within: .seconds(3))
                #expect(liar.text.isEmpty)
                await liar.close()
            }
            let http = try await RawConnection.open(port: belfry.port)
            try await http.send(Self.get)
            try await http.receive("HTTP/1.1 200 ")
            await http.close()
            let stomp = try await RawConnection.open(port: belfry.nodes[0].stompPort)
            // As the header begins, and STOMP may.
            try await stomp.send([13, 10, 13, 10] + Self.connect)
            try await stomp.receive("CONNECTED\n")
            await stomp.close()
        }
    }

    @Test func aTrustedProxyHasToSendOneAndInTime() async throws {
        var limits = Limits()
        limits.openingTimeout = .milliseconds(400)
        try await with(trusted: "127.0.0.1", limits: limits) { belfry in
            for bytes in [
                Self.get, Self.connect, Array("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n".utf8) + Self.get,
                Self.signature + [0x31, 0x11, 0, 0], Self.signature + [0x21, 0x11, 0xFF, 0xFF],
                Self.signature, Array(Self.header([192, 0, 2, 7]).dropLast()), [],
            ] {
                let connection = try await RawConnection.open(port: belfry.port)
                let start = ContinuousClock.now
                try await connection.send(bytes)
                try await connection.ended(within: .seconds(5))
                #expect(ContinuousClock.now - start < .seconds(2))
                #expect(connection.text.isEmpty)
                await connection.close()
            }
        }
    }

    /// Limits of an address are those of the client behind the proxy, not the proxy's.
    @Test func theClientIsCountedAndNotTheProxy() async throws {
        var limits = Limits()
        limits.connectionsPerAddressMax = 1
        try await with(trusted: "127.0.0.1", limits: limits) { belfry in
            func connect(_ client: [UInt8]) async throws -> RawConnection {
                let connection = try await RawConnection.open(port: belfry.nodes[0].stompPort)
                try await connection.send(Self.header(client) + Self.connect)
                return connection
            }
            let first = try await connect([192, 0, 2, 7])
            try await first.receive("CONNECTED\n")
            let second = try await connect([192, 0, 2, 7])
            try await second.ended(within: .seconds(3))
            #expect(second.text.isEmpty)
            await second.close()
            let other = try await connect([192, 0, 2, 8])
            try await other.receive("CONNECTED\n")
            await first.close()
            try await eventually("the place is free") {
                let again = try await connect([192, 0, 2, 7])
                let isIn = (try? await again.receive("CONNECTED\n", within: .seconds(1))) != nil
                await again.close()
                return isIn
            }
            await other.close()
        }
    }
}
