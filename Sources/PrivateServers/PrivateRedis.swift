import Foundation
import Glibc

/// A redis-server of this process alone, on 127.0.0.1, that keeps nothing on disk. It ends with this process; a start
/// on the same directory removes a server that a killed process left behind.
public final class PrivateRedis: Sendable {
    /// Files for a server that speaks TLS only. Clients need no certificate.
    public struct TLS: Sendable {
        let certificate: URL
        let key: URL
        let authority: URL

        /// - Parameters:
        ///   - certificate: the server's certificate, PEM.
        ///   - key: its private key, PEM.
        ///   - authority: the certificate that signed it (itself, when self-signed), PEM.
        public init(certificate: URL, key: URL, authority: URL) {
            self.certificate = certificate
            self.key = key
            self.authority = authority
        }
    }

    /// The port on 127.0.0.1, the same after a restart.
    public let port: Int

    private let dataDirectory: URL
    private let password: String?
    private let tls: TLS?
    private let slot = ServerSlot()

    private init(dataDirectory: URL, port: Int, password: String?, tls: TLS?) {
        self.dataDirectory = dataDirectory
        self.port = port
        self.password = password
        self.tls = tls
    }

    /// Starts a server and returns when it answers.
    ///
    /// - Parameters:
    ///   - dataDirectory: made when absent; holds the configuration (mode 0600), the log and the pid.
    ///   - port: a free one when nil.
    ///   - password: for the default user; it stands in no command line.
    ///   - tls: makes the port a TLS port.
    /// - Throws: `PrivateServerError`, with the end of the server's log; `CancellationError`.
    public static func start(
        dataDirectory: URL, port: Int? = nil, password: String? = nil, tls: TLS? = nil
    ) async throws -> PrivateRedis {
        try await LoopbackPort.choose(port) { port in
            let server = PrivateRedis(dataDirectory: dataDirectory, port: port, password: password, tls: tls)
            try await server.launch()
            return server
        }
    }

    /// `redis://` or `rediss://` with the password, percent-encoded, if there is one.
    public var url: String {
        let scheme = tls == nil ? "redis" : "rediss"
        let secret = password.map {
            ":\($0.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? $0)@"
        }
        return "\(scheme)://\(secret ?? "")127.0.0.1:\(port)/0"
    }

    /// Ends the server in good order; one that has not ended after 10 s is killed.
    public func stop() async { await slot.stop(by: SIGTERM, within: .seconds(10)) }

    /// SIGKILL; returns when the server is gone.
    public func kill() { slot.kill() }

    /// Starts again on the same port, empty, after ending the server if it still runs.
    public func restart() async throws {
        await stop()
        try await LoopbackPort.choose(port) { _ in try await launch() }
    }

    /// Forgets the server and leaves it running, as a process does that is killed.
    func abandon() { slot.abandon() }
}

extension PrivateRedis {
    private static let pidFile = "belfry-redis.pid"

    private func launch() async throws {
        guard let program = Programs.find("redis-server") else {
            throw PrivateServerError(
                .programNotFound, "redis-server was not found: install the package redis-server (6 or later).")
        }
        let directory = try DataDirectory(dataDirectory)
        Self.removeLeftServer(in: directory)
        let configuration = "\(directory.path)/redis.conf"
        try Self.write(try settings(directory), to: configuration)
        let log = ServerLog(path: "\(directory.path)/server.log")
        let process = try ServerProcess.spawn([program, configuration], log: log.path)
        slot.put(process, directory)
        do {
            try Self.write("\(process.pid) \(port)\n", to: "\(directory.path)/\(Self.pidFile)")
            try await waitUntilReady(process, log)
        } catch {
            kill()
            if log.saysPortTaken, let error = error as? PrivateServerError { throw LoopbackPort.Taken(error: error) }
            throw error
        }
    }

    private func settings(_ directory: DataDirectory) throws(PrivateServerError) -> String {
        var lines = [
            "bind 127.0.0.1", "dir \(try Self.quoted(directory.path))", "save \"\"", "appendonly no", "daemonize no",
            "loglevel notice", "logfile \"\"",
        ]
        if let tls {
            lines += [
                "port 0", "tls-port \(port)", "tls-auth-clients no",
                "tls-cert-file \(try Self.quoted(tls.certificate.path))",
                "tls-key-file \(try Self.quoted(tls.key.path))",
                "tls-ca-cert-file \(try Self.quoted(tls.authority.path))",
            ]
        } else {
            lines.append("port \(port)")
        }
        if let password { lines.append("requirepass \(try Self.quoted(password))") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A double-quoted word of redis.conf, which ends at the line's end.
    private static func quoted(_ text: String) throws(PrivateServerError) -> String {
        guard !text.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
            throw PrivateServerError(.startFailed, "A setting for redis-server holds a control character.")
        }
        let escaped = text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
        return "\"\(escaped)\""
    }

    private static func write(_ text: String, to path: String) throws(PrivateServerError) {
        let made = FileManager.default.createFile(
            atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        guard made else { throw PrivateServerError(.unusableDirectory, "Can't write \(path).") }
    }

    /// Our pid file names process and port, and redis-server shows its port in its title: both must agree.
    private static func removeLeftServer(in directory: DataDirectory) {
        guard let text = directory.text(of: pidFile) else { return }
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count == 2, let pid = pid_t(fields[0]) else { return }
        let title = ProcessTable.commandLine(of: pid).joined(separator: " ")
        if title.contains("redis-server"), title.contains("127.0.0.1:\(fields[1])") {
            ServerProcess.killForeignTree(pid)
        }
    }

    private func waitUntilReady(_ process: ServerProcess, _ log: ServerLog) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            guard process.isRunning else {
                throw PrivateServerError(
                    .startFailed, "redis-server on port \(port) ended while it started. Its log ends:\n\(log.tail)")
            }
            if log.saysReady { return }
            guard ContinuousClock.now < deadline else {
                throw PrivateServerError(
                    .startFailed, "redis-server on port \(port) was not ready after 20 s. Its log ends:\n\(log.tail)")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
