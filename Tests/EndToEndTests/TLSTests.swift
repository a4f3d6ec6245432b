import BelfryModel
import Foundation
import Gateway
import Listening
import Logging
import NIOSSL
import Synchronization
import TestBasics
import TestSupport
import Testing

/// TLS on both ports of a node.
@Suite struct TLSTests {
    private static let get = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    private static let connect = "CONNECT\naccept-version:1.2\nhost:x\ntoken:alice\n\n\0"

    private func tls(_ certificate: TestCertificate, _ minimum: TLSFiles.MinimumVersion = .tls12) throws -> ServerTLS {
        try ServerTLS(
            files: TLSFiles(
                certificates: certificate.certificates.path, key: certificate.key.path, minimumVersion: minimum),
            interval: .milliseconds(50), logger: .quiet)
    }

    private func with(
        _ tls: ServerTLS, limits: Limits = Limits(), _ body: (Installation) async throws -> Void
    ) async throws {
        try await Installation.with(
            limits: limits,
            configure: {
                $0.http.tls = tls
                $0.stomp?.tls = tls
            }, body)
    }

    private func changed(
        _ configuration: TLSConfiguration, _ change: (inout TLSConfiguration) -> Void
    ) -> TLSConfiguration {
        var configuration = configuration
        change(&configuration)
        return configuration
    }

    /// Asks once, and gives up nothing: throws unless an answer came.
    private func ask(_ port: Int, _ client: TLSConfiguration) async throws {
        let connection = try await RawConnection.open(port: port, tls: client)
        try await connection.send(Self.get)
        try await connection.receive("HTTP/1.1 200 ", within: .seconds(5))
        await connection.close()
    }

    @Test func bothPortsServeWhatTheyServeWithoutIt() async throws {
        let certificate = try TestCertificate.make("both")
        try await with(tls(certificate)) { belfry in
            try await ask(belfry.port, certificate.client())

            let socket = try await RawConnection.open(port: belfry.port, tls: certificate.client())
            try await socket.send(
                "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    + "Origin: https://localhost\r\nSec-WebSocket-Version: 13\r\n"
                    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            try await socket.receive("HTTP/1.1 101 ")
            await socket.close()

            let stomp = try await RawConnection.open(port: belfry.nodes[0].stompPort, tls: certificate.client())
            try await stomp.send(Self.connect)
            try await stomp.receive("CONNECTED\n")
            try await stomp.send("SUBSCRIBE\nid:0\ndestination:/user/queue/msg\n\n\0")
            let id = try await belfry.application.notify("alice")
            try await stomp.receive("message-id:\(id)\n")
            try await stomp.send("DISCONNECT\nreceipt:bye\n\n\0")
            try await stomp.receive("receipt-id:bye\n")
            try await stomp.ended()
            await stomp.close()
        }
    }

    @Test func anOlderVersionThanTheOldestIsNotSpoken() async throws {
        let certificate = try TestCertificate.make("old")
        for (minimum, oldest) in [(TLSFiles.MinimumVersion.tls12, TLSVersion.tlsv11), (.tls13, .tlsv12)] {
            try await with(tls(certificate, minimum)) { belfry in
                let old = changed(try certificate.client()) {
                    $0.minimumTLSVersion = .tlsv1
                    $0.maximumTLSVersion = oldest
                }
                for port in [belfry.port, belfry.nodes[0].stompPort] {
                    let connection = try await RawConnection.open(port: port, tls: old)
                    await #expect(throws: (any Error).self) { try await connection.send(Self.get) }
                    try await eventually("the end") { connection.isGone }
                    #expect(connection.text.isEmpty)
                }
                try await ask(belfry.port, certificate.client())
            }
        }
    }

    @Test func whatIsNoTLSEndsTheConnectionWithoutAWord() async throws {
        let certificate = try TestCertificate.make("plain")
        try await with(tls(certificate)) { belfry in
            for bytes in [Self.get, Self.connect, "\u{16}\u{3}\u{1}\u{0}\u{5}\u{1}\u{0}\u{0}\u{1}\u{0}"] {
                for port in [belfry.port, belfry.nodes[0].stompPort] {
                    let connection = try await RawConnection.open(port: port)
                    try await connection.send(bytes)
                    try await connection.ended(within: .seconds(3))
                    #expect(!connection.text.contains("HTTP/1.1") && !connection.text.contains("ERROR"))
                    await connection.close()
                }
            }
            try await ask(belfry.port, certificate.client())
        }
    }

    /// Neither silence nor a byte now and then holds a connection for longer than the handshake may take.
    @Test func aSlowHandshakeEndsInTime() async throws {
        var limits = Limits()
        limits.openingTimeout = .milliseconds(500)
        let certificate = try TestCertificate.make("slow")
        try await with(tls(certificate), limits: limits) { belfry in
            let silent = try await RawConnection.open(port: belfry.port)
            let slow = try await RawConnection.open(port: belfry.nodes[0].stompPort)
            let start = ContinuousClock.now
            for byte in [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC] + [UInt8](repeating: 3, count: 60)
            where !slow.isEnded {
                try? await slow.send([byte])
                try await Task.sleep(for: .milliseconds(50))
            }
            try await silent.ended()
            #expect(ContinuousClock.now - start < .seconds(2))
            #expect(slow.isEnded)
            try await ask(belfry.port, certificate.client())
        }
    }

    /// The files change under traffic: no connection fails meanwhile, what can't be used changes nothing, and open
    /// connections go on.
    @Test func anotherCertificateIsServedWithoutARestart() async throws {
        let served = try TestCertificate.make("first")
        let first = try served.client()
        // The file is about to change.
        let roots = try NIOSSLCertificate.fromPEMFile(served.certificates.path)
        let firstOnly = changed(first) { $0.trustRoots = .certificates(roots) }
        let any = changed(first) { $0.certificateVerification = .none }
        let second = try TestCertificate.make("second")
        let tls = try tls(served)
        try await with(tls) { belfry in
            let watch = RunningService(tls)
            let open = try await RawConnection.open(port: belfry.nodes[0].stompPort, tls: any)
            try await open.send(Self.connect)
            try await open.receive("CONNECTED\n")
            let answered = Mutex(0)
            let traffic = Task {
                while !Task.isCancelled {
                    do {
                        try await ask(belfry.port, any)
                        answered.withLock { $0 += 1 }
                    } catch  where Task.isCancelled {
                        break
                    }
                }
            }
            // Half of a pair, for many looks.
            try served.take(\.certificates, of: second)
            try await Task.sleep(for: .milliseconds(500))
            try await ask(belfry.port, firstOnly)
            try served.take(\.key, of: second)
            try await eventually("the second is served") { (try? await ask(belfry.port, second.client())) != nil }
            try Data("-----BEGIN CERTIFICATE-----\ngarbage\n".utf8).write(to: served.certificates)
            try await Task.sleep(for: .milliseconds(300))
            try await ask(belfry.port, second.client())
            try FileManager.default.removeItem(at: served.key)
            try await Task.sleep(for: .milliseconds(300))
            try await ask(belfry.port, second.client())
            // A slow machine takes its time; a request that fails ends the traffic, and is thrown below.
            let wentOn = await isEventually { answered.withLock { $0 > 10 } }
            traffic.cancel()
            try await traffic.value
            #expect(wentOn)
            try await open.send("SUBSCRIBE\nid:0\ndestination:/user/queue/msg\nreceipt:sub\n\n\0")
            try await open.receive("receipt-id:sub")
            await open.close()
            await watch.stop()
        }
    }
}
