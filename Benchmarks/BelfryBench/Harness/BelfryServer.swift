import Foundation
import PrivateServers

/// A `belfry` under measurement: a child process with settings of its own, on a free loopback port.
final class BelfryServer: Sendable {
    /// Where its node listens on 127.0.0.1.
    let port: Int
    private let program: PrivateProgram

    private init(port: Int, program: PrivateProgram) {
        self.port = port
        self.program = program
    }

    /// Starts `belfry <role>` and returns when its `/health/ready` answers 200.
    ///
    /// - Parameters:
    ///   - role: `serve`, `node` or `relay`. The schema is migrated before: see `ScenarioServers`.
    ///   - settings: environment variables, say `["BELFRY_POSTGRES_URL": …]`. The development authenticator, which
    ///     takes the token itself for the user's id, is on unless they say otherwise.
    ///   - name: of its folder; two servers that run at once need different ones.
    ///   - isEncrypted: its port speaks TLS.
    static func start(
        _ role: String, _ context: ScenarioContext, settings: [String: String], name: String? = nil,
        isEncrypted: Bool = false
    ) async throws -> BelfryServer {
        let port = try PrivateProgram.freePort()
        let listen = "127.0.0.1:\(port)"
        var environment = ["BELFRY_LOG_LEVEL": "warning"]
        environment[role == "relay" ? "BELFRY_RELAY_LISTEN" : "BELFRY_LISTEN"] = listen
        if role != "relay" {
            environment["BELFRY_AUTH"] = "dev"
            environment["BELFRY_LIMITS_DRAIN_PAUSE"] = "0s"
        }
        environment.merge(settings) { $1 }
        let program = try await PrivateProgram.start(
            name: "belfry \(role)", arguments: [context.belfry, role], environment: environment,
            dataDirectory: context.folder.appendingPathComponent(name ?? "belfry-\(role)")
        ) {
            isEncrypted
                ? await EncryptedHTTP.isReady(port: port)
                : LoopbackHTTP.status(port: port, path: "/health/ready") == 200
        }
        return BelfryServer(port: port, program: program)
    }

    /// What it has used so far; nil when it has ended.
    var usage: ProcessUsage? { ProcessUsage(of: program.processIdentifier) }

    /// Its process id.
    var processIdentifier: Int32 { program.processIdentifier }

    /// The end of its log, for an error message.
    var logTail: String { program.logTail }

    /// Ends it in good order.
    func stop() async { await program.stop() }
}
