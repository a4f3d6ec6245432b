import BelfryModel
import Bus
import BusConformance
import Foundation
import NIOCore
import PrivateServers
import Testing

@testable import RedisBus

struct RedisBusSecurityTests {
    private let secret = "p@ss:w/örd #1%"

    private func connects(_ bus: RedisBus) async throws {
        try await until("the publisher is connected") { bus.isConnected }
        let underTest = BusUnderTest(bus: bus, loops: RedisTestServer.loops)
        let listener = underTest.listener()
        try await listener.subscribe(.user("alice"))
        try await underTest.publish(["1"], to: .user("alice"))
        try await listener.waitForMessages(1, for: .user("alice"))
    }

    /// Waits until the bus has been refused several times and answers with the warnings.
    private func refusals(_ server: RedisTestServer, url: String) async throws -> [String] {
        let log = CapturedLog()
        let bus = try server.bus(url: url, log: log)
        try await until("it is refused") { !log.lines(.warning).isEmpty }
        #expect(!bus.isConnected)
        let error = await #expect(throws: BusError.self) {
            try await bus.publish([BusPublication(address: .user("alice"), envelope: ByteBuffer())])
        }
        #expect(error?.code == .unavailable)
        return log.lines(.warning)
    }

    @Test func aPasswordIsGivenAndAWrongOneIsNamed() async throws {
        try await RedisTestServer.run(password: secret) { server in
            try await connects(try server.bus())
            let port = server.redis.port
            let wrong = try await refusals(server, url: "redis://:hunter2@127.0.0.1:\(port)")
            #expect(wrong.count == 1)
            #expect(wrong.first?.contains("does not accept this user and password") == true, "\(wrong)")
            #expect(wrong.first?.contains("hunter2") == false)
            let none = try await refusals(server, url: "redis://127.0.0.1:\(port)")
            #expect(none.first?.contains("requires a password") == true, "\(none)")
        }
    }

    @Test func aUserOfTheAccessListAndADatabaseAreSelected() async throws {
        try await RedisTestServer.run { server in
            try server.cli("ACL", "SETUSER", "relay", "on", ">\(secret)", "resetchannels", "&test:*", "+@all")
            let port = server.redis.port
            let encoded = secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
            let bus = try server.bus(url: "redis://relay:\(encoded)@localhost:\(port)/3")
            try await connects(bus)
            let clients = try server.cli("CLIENT", "LIST")
            #expect(clients.contains("db=3") && clients.contains("user=relay"))
            let foreign = try server.bus(url: "redis://relay:\(encoded)@127.0.0.1:\(port)", keyPrefix: "other:")
            try await until("the publisher is connected") { foreign.isConnected }
            let error = await #expect(throws: BusError.self) {
                try await foreign.publish([BusPublication(address: .user("alice"), envelope: ByteBuffer())])
            }
            #expect(error?.code == .refused)
            #expect(error?.message.contains("NOPERM") == true)
            let database = try await refusals(server, url: "redis://relay:\(encoded)@127.0.0.1:\(port)/99")
            #expect(database.first?.contains("refused database 99") == true, "\(database)")
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func tlsIsSpokenWithAnAuthorityOfOnesOwn() async throws {
        try await RedisTestServer.run(tls: { try TestCertificates.make(in: $0, names: "DNS:localhost,IP:127.0.0.1") }) {
            server in
            let file = server.directory.appending(path: "ca.pem").path
            let port = server.redis.port
            try await connects(try server.bus(url: "rediss://127.0.0.1:\(port)?ca=\(file)", patient: true))
            try await connects(try server.bus(url: "rediss://localhost:\(port)/0?ca=\(file)", patient: true))
            let untrusted = try await refusals(server, url: "rediss://127.0.0.1:\(port)")
            #expect(untrusted.first?.lowercased().contains("certificate") == true, "\(untrusted)")
            let plain = try await refusals(server, url: "redis://127.0.0.1:\(port)")
            #expect(!plain.isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func aCertificateOfAnotherNameIsRefused() async throws {
        try await RedisTestServer.run(tls: { try TestCertificates.make(in: $0, names: "DNS:other.example") }) {
            server in
            let file = server.directory.appending(path: "ca.pem").path
            for host in ["127.0.0.1", "localhost"] {
                let refused = try await refusals(server, url: "rediss://\(host):\(server.redis.port)?ca=\(file)")
                #expect(!refused.isEmpty)
            }
        }
    }

    @Test func tlsToAServerWithoutItFails() async throws {
        try await RedisTestServer.run { server in
            let refused = try await refusals(server, url: "rediss://127.0.0.1:\(server.redis.port)")
            #expect(!refused.isEmpty)
        }
    }

    @Test func authoritiesThatCannotBeReadAreNamed() async throws {
        try await RedisTestServer.run { server in
            let error = #expect(throws: BusError.self) {
                try server.bus(url: "rediss://127.0.0.1?ca=/nowhere/ca.pem")
            }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains("/nowhere/ca.pem") == true)
        }
    }
}

/// An authority and a server's certificate, made by openssl.
enum TestCertificates {
    /// Writes `ca.pem`, `server.pem` and `server.key` into `directory`.
    static func make(in directory: URL, names: String) throws -> PrivateRedis.TLS {
        func openssl(_ arguments: String) throws {
            _ = try RedisTestServer.output(
                of: ["openssl"] + arguments.split(separator: " ").map(String.init), in: directory)
        }
        try "subjectAltName=\(names)\n".write(
            to: directory.appending(path: "names.conf"), atomically: true, encoding: .utf8)
        let newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        try openssl("req -x509 \(newKey) -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority")
        try openssl("req \(newKey) -keyout server.key -out server.csr -subj /CN=test-server")
        try openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 "
                + "-extfile names.conf")
        return PrivateRedis.TLS(
            certificate: directory.appending(path: "server.pem"), key: directory.appending(path: "server.key"),
            authority: directory.appending(path: "ca.pem"))
    }
}
