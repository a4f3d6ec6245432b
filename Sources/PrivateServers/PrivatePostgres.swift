import Foundation
import Glibc

/// A PostgreSQL server of this process alone: on 127.0.0.1, with its own data directory, superuser `postgres`, and no
/// password for connections from this machine. It ends with this process; a start on the same directory removes a
/// server that a killed process left behind.
public final class PrivatePostgres: Sendable {
    /// The port on 127.0.0.1, the same after a restart.
    public let port: Int

    private let dataDirectory: URL
    private let settings: [String: String]
    private let slot = ServerSlot()

    private init(dataDirectory: URL, port: Int, settings: [String: String]) {
        self.dataDirectory = dataDirectory
        self.port = port
        self.settings = settings
    }

    /// Starts a server and returns when it takes connections.
    ///
    /// - Parameters:
    ///   - dataDirectory: made and filled by `initdb` when it is absent or empty. When this process is root it is given
    ///     to the user `postgres`, who must be able to traverse its parents.
    ///   - port: a free one when nil.
    ///   - settings: lines of postgresql.conf, say `["fsync": "off"]`.
    /// - Throws: `PrivateServerError`, with the end of the server's log; `CancellationError`.
    public static func start(
        dataDirectory: URL, port: Int? = nil, settings: [String: String] = [:]
    ) async throws -> PrivatePostgres {
        try await LoopbackPort.choose(port) { port in
            let server = PrivatePostgres(dataDirectory: dataDirectory, port: port, settings: settings)
            try await server.launch()
            return server
        }
    }

    /// The URL of the database `postgres`.
    public var url: String { url(database: "postgres") }

    /// The URL of a database of this server; the name is percent-encoded.
    public func url(database: String) -> String {
        let name = database.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? database
        return "postgresql://postgres@127.0.0.1:\(port)/\(name)"
    }

    /// Ends the server in good order (PostgreSQL's fast shutdown); one that has not ended after 20 s is killed.
    public func stop() async { await slot.stop(by: SIGINT, within: .seconds(20)) }

    /// SIGKILL to the server and all its backends, as a crash of the machine would; returns when they are gone.
    public func kill() { slot.kill() }

    /// Starts again on the same port and directory, after ending the server if it still runs.
    public func restart() async throws {
        await stop()
        try await LoopbackPort.choose(port) { _ in try await launch() }
    }

    /// Forgets the server and leaves it running, as a process does that is killed.
    func abandon() { slot.abandon() }
}

extension PrivatePostgres {
    private func launch() async throws {
        let directory = try DataDirectory(dataDirectory)
        let account = try ServerAccount.forPostgres()
        try directory.clearHalfMade()
        let text = directory.text(of: "PG_VERSION")?.trimmingCharacters(in: .whitespacesAndNewlines)
        guard text != nil || directory.isEmpty else {
            throw PrivateServerError(
                .unusableDirectory,
                "\(directory.path) holds files, but no PostgreSQL database: choose an empty or a new folder.")
        }
        if let account { try directory.hand(to: account) }
        let programs = try await PostgresPrograms.find(version: text.flatMap(Int.init))
        let prefix = try Self.commandPrefix(account)
        if text == nil { try await initialize(directory, programs, prefix) }
        Self.removeLeftServer(in: directory)
        try await startServer(directory, programs, prefix)
    }

    private static func commandPrefix(_ account: ServerAccount?) throws(PrivateServerError) -> [String] {
        guard let account else { return [] }
        guard let setpriv = Programs.find("setpriv") else {
            throw PrivateServerError(
                .programNotFound, "setpriv, which runs PostgreSQL as another user than root, was not found.")
        }
        return [setpriv, "--reuid=\(account.user)", "--regid=\(account.group)", "--clear-groups"]
    }

    private func initialize(
        _ directory: DataDirectory, _ programs: PostgresPrograms, _ prefix: [String]
    ) async throws {
        var command = prefix + ["\(programs.folder)/initdb", "-D", directory.path, "-U", "postgres", "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C", "--no-instructions"]
        if settings["fsync"] == "off" { command.append("--no-sync") }
        try directory.beginMaking()
        let (output, finished) = try await Programs.run(command)
        guard finished, directory.text(of: "PG_VERSION") != nil, directory.text(of: "postgresql.conf") != nil else {
            throw PrivateServerError(
                .startFailed, "initdb made no database in \(directory.path). It said:\n\(output.suffix(2_000))")
        }
        directory.endMaking()
    }

    /// The first line of postmaster.pid is the pid; it counts only if that process is a postgres on this directory.
    private static func removeLeftServer(in directory: DataDirectory) {
        guard let first = directory.text(of: "postmaster.pid")?.split(separator: "\n").first, let pid = pid_t(first)
        else { return }
        let command = ProcessTable.commandLine(of: pid)
        if command.first?.hasSuffix("/postgres") == true, command.contains(directory.path) {
            ServerProcess.killForeignTree(pid)
        }
        // A zombie, or another program under a used-again pid, would make PostgreSQL refuse to start.
        if Glibc.kill(pid, 0) == 0 || errno == EPERM { unlink("\(directory.path)/postmaster.pid") }
    }

    private func startServer(_ directory: DataDirectory, _ programs: PostgresPrograms, _ prefix: [String]) async throws
    {
        var all = settings
        all["listen_addresses"] = "127.0.0.1"
        all["port"] = String(port)
        all["unix_socket_directories"] = ""
        var command = prefix + ["\(programs.folder)/postgres", "-D", directory.path]
        for (name, value) in all.sorted(by: { $0.key < $1.key }) { command += ["-c", "\(name)=\(value)"] }

        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let log = ServerLog(path: "\(directory.path)/server.log")
            let process = try ServerProcess.spawn(command, log: log.path)
            slot.put(process, directory)
            do {
                try await waitUntilReady(process, directory, log, deadline)
                return
            } catch {
                kill()
                if log.saysPortTaken, let error = error as? PrivateServerError {
                    throw LoopbackPort.Taken(error: error)
                }
                guard log.saysMemoryInUse, ContinuousClock.now < deadline else { throw error }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    /// Ready when postmaster.pid, in its eighth line, says so under our pid: what `pg_ctl --wait` looks at.
    private func waitUntilReady(
        _ process: ServerProcess, _ directory: DataDirectory, _ log: ServerLog, _ deadline: ContinuousClock.Instant
    ) async throws {
        while true {
            let lines = (directory.text(of: "postmaster.pid") ?? "").split(
                separator: "\n", omittingEmptySubsequences: false)
            if lines.count >= 8, pid_t(lines[0]) == process.pid, lines[7].hasPrefix("ready") { return }
            guard process.isRunning else {
                throw PrivateServerError(
                    .startFailed, "PostgreSQL on port \(port) ended while it started. Its log ends:\n\(log.tail)")
            }
            guard ContinuousClock.now < deadline else {
                throw PrivateServerError(
                    .startFailed, "PostgreSQL on port \(port) was not ready after 60 s. Its log ends:\n\(log.tail)")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
