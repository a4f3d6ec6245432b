import Synchronization

/// The place of one server: empty, or a running process with the lock on its directory.
final class ServerSlot: Sendable {
    private struct Server {
        let process: ServerProcess
        let directory: DataDirectory
    }

    private let server = Mutex<Server?>(nil)

    /// From now on the process is killed when this one exits.
    func put(_ process: ServerProcess, _ directory: DataDirectory) {
        RunningServers.add(process)
        server.withLock { $0 = Server(process: process, directory: directory) }
    }

    /// Asks the server to end by a signal; kills it when it has not ended after `limit`.
    func stop(by signal: Int32, within limit: Duration) async {
        guard let server = take() else { return }
        server.process.signal(signal)
        if await !server.process.waitForExit(within: limit) { server.process.killTree() }
        RunningServers.remove(server.process)
    }

    /// SIGKILL to the server and its children; returns when they are gone.
    func kill() {
        guard let server = take() else { return }
        server.process.killTree()
        RunningServers.remove(server.process)
    }

    /// Forgets the server and leaves it running, as a process does that is killed.
    func abandon() {
        guard let server = take() else { return }
        RunningServers.remove(server.process)
    }

    private func take() -> Server? {
        server.withLock { server in
            defer { server = nil }
            return server
        }
    }
}
