import Foundation
import Glibc
import PrivateServers

/// A `belfry` under measurement: a child process with settings of its own, on a free loopback port.
public final class BelfryServer: Sendable {
    /// Where its node listens on 127.0.0.1.
    public let port: Int
    private let program: PrivateProgram

    private init(port: Int, program: PrivateProgram) {
        self.port = port
        self.program = program
    }

    /// Starts `belfry <role>` and returns when its `/health/ready` answers 200.
    ///
    /// - Parameters:
    ///   - role: `serve`, `node` or `relay`. A migration is not run: see `BenchDatabase`.
    ///   - settings: environment variables, say `["BELFRY_POSTGRES_URL": …]`. The development authenticator, which takes
    ///     the token itself for the user's id, is on unless they say otherwise.
    ///   - name: of its folder; two servers that run at once need different ones.
    public static func start(
        _ role: String, _ bench: Bench, settings: [String: String], name: String? = nil
    ) async throws -> BelfryServer {
        let port = try PrivateProgram.freePort()
        let listen = "127.0.0.1:\(port)"
        var environment = ["BELFRY_LOG_LEVEL": "warning"]
        environment[role == "relay" ? "BELFRY_RELAY_LISTEN" : "BELFRY_LISTEN"] = listen
        if role != "relay" { environment["BELFRY_AUTH"] = "dev" }
        environment.merge(settings) { $1 }
        let program = try await PrivateProgram.start(
            name: "belfry \(role)", arguments: [bench.executable, role], environment: environment,
            dataDirectory: bench.folder.appendingPathComponent(name ?? "belfry-\(role)")
        ) {
            LoopbackHTTP.status(port: port, path: "/health/ready") == 200
        }
        return BelfryServer(port: port, program: program)
    }

    /// What it has used so far; nil when it has ended.
    public var usage: ProcessUsage? { ProcessUsage(of: program.processIdentifier) }

    /// Its process id.
    public var processIdentifier: Int32 { program.processIdentifier }

    /// The end of its log, for an error message.
    public var logTail: String { program.logTail }

    /// Ends it in good order.
    public func stop() async { await program.stop() }

    /// SIGKILL.
    public func kill() { program.kill() }
}

/// The least of HTTP: asks a loopback port for a path.
public enum LoopbackHTTP {
    /// The status code of the answer; nil when nobody answers within a second.
    public static func status(port: Int, path: String) -> Int? {
        get(port: port, path: path).flatMap { answer in
            answer.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) }
        }
    }

    /// The whole answer, head and body; nil when nobody answers within a second.
    public static func get(port: Int, path: String) -> String? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { return nil }
        let request = Array("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            return nil
        }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { break }
            answer += chunk[..<count]
        }
        return answer.isEmpty ? nil : String(decoding: answer, as: UTF8.self)
    }
}
