import Glibc
import Synchronization

/// The servers that this process started and must not leave behind when it ends by `exit` or by returning from `main`.
enum RunningServers {
    private static let servers = Mutex<[pid_t: ServerProcess]>([:])
    private static let atExit: Void = {
        atexit { RunningServers.killAll() }
    }()

    static func add(_ server: ServerProcess) {
        _ = atExit
        servers.withLock { $0[server.pid] = server }
    }

    static func remove(_ server: ServerProcess) {
        servers.withLock { _ = $0.removeValue(forKey: server.pid) }
    }

    /// SIGKILL to all of them; returns when they are gone.
    static func killAll() {
        let left = servers.withLock { servers in
            defer { servers = [:] }
            return servers
        }
        for server in left.values { server.killTree() }
    }
}
