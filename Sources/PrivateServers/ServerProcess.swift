import Dispatch
import Foundation
import Glibc
import Synchronization

/// One child process in a session of its own, so that the terminal's Ctrl-C does not reach it; its output goes to a
/// file.
final class ServerProcess: Sendable {
    let pid: pid_t
    private let exited = Mutex(false)

    private init(pid: pid_t) { self.pid = pid }

    /// Starts `arguments[0]` (an absolute path) with the default signal actions, no inherited descriptor, and output
    /// appended to `log`. Settings of PostgreSQL's clients and of Belfry (secrets among them) are not passed on.
    /// `environment` is added to what is passed on.
    static func spawn(
        _ arguments: [String], environment added: [String: String] = [:], log: String
    ) throws(PrivateServerError) -> ServerProcess {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        for descriptor in openDescriptors() where descriptor > STDERR_FILENO {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | setsidFlag))

        var environment = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("PG") && !$0.key.hasPrefix("BELFRY_")
        }
        environment["LC_ALL"] = "C"
        environment.merge(added) { $1 }
        var pid: pid_t = 0
        let result = withCStrings(arguments) { argumentPointers in
            withCStrings(environment.map { "\($0.key)=\($0.value)" }) { environmentPointers in
                posix_spawn(&pid, arguments[0], &actions, &attributes, argumentPointers, environmentPointers)
            }
        }
        guard result == 0 else {
            throw PrivateServerError(
                .startFailed, "Can't start \(arguments[0]): \(String(cString: strerror(result))).")
        }
        return ServerProcess(pid: pid)
    }

    /// POSIX_SPAWN_SETSID, which <spawn.h> shows to GNU sources only.
    private static let setsidFlag: Int32 = 0x80

    private static func openDescriptors() -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return names.compactMap(Int32.init)
    }

    /// Whether it still runs; an ended process is reaped here.
    var isRunning: Bool {
        exited.withLock { exited in
            if !exited { exited = reap(WNOHANG) }
            return !exited
        }
    }

    /// Sends a signal unless the process has ended.
    func signal(_ number: Int32) {
        exited.withLock { exited in
            if !exited { _ = Glibc.kill(pid, number) }
        }
    }

    /// Waits for the end, also in a cancelled task.
    /// - Returns: false when it still runs after `limit`.
    func waitForExit(within limit: Duration) async -> Bool {
        let deadline = ContinuousClock.now + limit
        while isRunning {
            if ContinuousClock.now >= deadline { return false }
            await Self.pause(milliseconds: 10)
        }
        return true
    }

    /// SIGKILL to the process and its children, which PostgreSQL puts into sessions of their own; returns when they are
    /// gone.
    func killTree() {
        let children = exited.withLock { exited -> [pid_t] in
            if !exited { exited = reap(WNOHANG) }
            if exited { return [] }
            let children = Self.killStopped(pid)
            exited = reap(0)
            return children
        }
        Self.waitUntilGone(children)
    }

    /// SIGKILL to a process that isn't our child, and to its children; returns when they are gone.
    static func killForeignTree(_ pid: pid_t) { waitUntilGone([pid] + killStopped(pid)) }

    /// Stops the parent first, so that it makes no new child between the look and the kill.
    private static func killStopped(_ pid: pid_t) -> [pid_t] {
        _ = Glibc.kill(pid, SIGSTOP)
        for _ in 0..<50 where !ProcessTable.isStopped(pid) { usleep(1_000) }
        let children = ProcessTable.children(of: pid)
        _ = Glibc.kill(pid, SIGKILL)
        for child in children { _ = Glibc.kill(child, SIGKILL) }
        return children
    }

    private static func waitUntilGone(_ pids: [pid_t]) {
        for _ in 0..<2_000 where pids.contains(where: ProcessTable.isAlive) { usleep(1_000) }
    }

    private func reap(_ options: Int32) -> Bool {
        var status: Int32 = 0
        while true {
            let result = waitpid(pid, &status, options)
            if result == -1 && errno == EINTR { continue }
            return result != 0
        }
    }

    /// A pause that a cancelled task keeps too: ending a server must not turn into a busy loop.
    static func pause(milliseconds: Int) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { continuation.resume() }
        }
    }
}

/// Calls `body` with a NULL-terminated array of C strings that live as long as the call.
private func withCStrings<R>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    let pointers = strings.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers + [nil])
}
