import Foundation
import Glibc
import Testing

@testable import PrivateServers

@Suite(.serialized) struct PrivateRedisTests {
    @Test func startsAnswersAndStops() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let server = try await PrivateRedis.start(dataDirectory: folder.url)
        #expect(server.url == "redis://127.0.0.1:\(server.port)/0")
        #expect(LoopbackPort.ask(port: server.port, "PING\r\n") == "+PONG\r\n")
        await server.stop()
        #expect(LoopbackPort.ask(port: server.port, "") == nil)
    }

    @Test func aPasswordIsAskedForAndStandsInNoCommandLine() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let server = try await PrivateRedis.start(dataDirectory: folder.url, password: "s3 \"cret\\")
        #expect(server.url == "redis://:s3%20%22cret%5C@127.0.0.1:\(server.port)/0")
        #expect(LoopbackPort.ask(port: server.port, "PING\r\n")?.hasPrefix("-NOAUTH") == true)
        let right = #"AUTH "s3 \"cret\\""# + "\r\n"
        #expect(LoopbackPort.ask(port: server.port, right) == "+OK\r\n")
        let lines = ProcessTable.children(of: getpid()).flatMap(ProcessTable.commandLine(of:))
        #expect(!lines.contains { $0.contains("cret") })
        await server.stop()
    }

    @Test func comesBackOnTheSamePortAfterAKill() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let server = try await PrivateRedis.start(dataDirectory: folder.url)
        server.kill()
        #expect(LoopbackPort.ask(port: server.port, "") == nil)
        try await server.restart()
        #expect(LoopbackPort.ask(port: server.port, "PING\r\n") == "+PONG\r\n")
        await server.stop()
    }

    @Test func aLaterStartRemovesALeftServer() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let left = try await PrivateRedis.start(dataDirectory: folder.url)
        left.abandon()
        let server = try await PrivateRedis.start(dataDirectory: folder.url)
        #expect(LoopbackPort.ask(port: left.port, "") == nil)
        #expect(LoopbackPort.ask(port: server.port, "PING\r\n") == "+PONG\r\n")
        await server.stop()
    }

    @Test func aTakenPortIsNamed() async throws {
        let folder = TemporaryFolder()
        let other = TemporaryFolder()
        defer {
            folder.remove()
            other.remove()
        }
        let server = try await PrivateRedis.start(dataDirectory: folder.url)
        let error = await #expect(throws: PrivateServerError.self) {
            _ = try await PrivateRedis.start(dataDirectory: other.url, port: server.port)
        }
        #expect(error?.message.contains("\(server.port)") == true)
        #expect(error?.message.localizedCaseInsensitiveContains("address already in use") == true)
        await server.stop()
    }

    @Test func speaksTLS() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
        let certificate = folder.url.appendingPathComponent("server.crt")
        let key = folder.url.appendingPathComponent("server.key")
        let openssl = try #require(Programs.find("openssl"))
        _ = try await Programs.run([
            openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-keyout", key.path, "-out", certificate.path,
        ])
        let server = try await PrivateRedis.start(
            dataDirectory: folder.url.appendingPathComponent("redis"), password: "secret",
            tls: .init(certificate: certificate, key: key, authority: certificate))
        #expect(server.url == "rediss://:secret@127.0.0.1:\(server.port)/0")
        let client = try #require(Programs.find("redis-cli"))
        let (answer, _) = try await Programs.run([
            client, "-p", "\(server.port)", "--tls", "--cacert", certificate.path, "--no-auth-warning", "-a", "secret",
            "ping",
        ])
        #expect(answer.contains("PONG"))
        await server.stop()
    }
}
