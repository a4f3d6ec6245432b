import Foundation
import Glibc

/// A server's directory, locked for one owner at a time. The lock (flock(2) on the directory itself) ends with the
/// process that holds it, however that ends; so a server found on an unlocked directory is a leftover.
final class DataDirectory: Sendable {
    let path: String
    private let descriptor: Int32

    /// Makes the directory and its parents if need be, and locks it.
    init(_ url: URL) throws(PrivateServerError) {
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        } catch {
            throw PrivateServerError(
                .unusableDirectory, "Can't make the data directory \(url.path): \(error.localizedDescription)",
                underlying: error)
        }
        guard let resolved = realpath(url.path, nil) else {
            throw PrivateServerError(.unusableDirectory, "Can't find the data directory \(url.path).")
        }
        defer { free(resolved) }
        path = String(cString: resolved)
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw PrivateServerError(
                .unusableDirectory, "Can't open the data directory \(path): \(String(cString: strerror(errno))).")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw PrivateServerError(
                .directoryInUse, "Another running process has its server on the data directory \(path).")
        }
    }

    deinit { close(descriptor) }

    /// Gives the directory to `account`, with the permissions PostgreSQL asks for.
    func hand(to account: ServerAccount) throws(PrivateServerError) {
        guard fchown(descriptor, account.user, account.group) == 0, fchmod(descriptor, 0o700) == 0 else {
            throw PrivateServerError(
                .unusableDirectory,
                "Can't give the data directory \(path) to the user '\(account.name)': "
                    + "\(String(cString: strerror(errno))).")
        }
        var parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        while true {
            var status = stat()
            guard stat(parent, &status) == 0, account.mayTraverse(status) else {
                throw PrivateServerError(
                    .unusableDirectory,
                    "The user '\(account.name)' can't reach the data directory \(path): \(parent) is closed to it. "
                        + "Open that with chmod o+x, or use a folder elsewhere.")
            }
            if parent == "/" { return }
            parent = URL(fileURLWithPath: parent).deletingLastPathComponent().path
        }
    }

    /// Stands beside the directory while initdb fills it, as initdb wants it empty.
    private var makingMark: String { path + ".initializing" }

    /// initdb is about to fill the directory.
    func beginMaking() throws(PrivateServerError) {
        guard FileManager.default.createFile(atPath: makingMark, contents: nil) else {
            throw PrivateServerError(
                .unusableDirectory, "Can't make the file \(makingMark): \(String(cString: strerror(errno))).")
        }
    }

    /// initdb has filled it.
    func endMaking() { unlink(makingMark) }

    /// Empties a directory in which an initdb of ours was cut off, by a power loss or a kill, and ends that initdb if
    /// it still runs.
    func clearHalfMade() throws(PrivateServerError) {
        guard access(makingMark, F_OK) == 0 else { return }
        for pid in ProcessTable.all where pid != getpid() {
            let command = ProcessTable.commandLine(of: pid)
            if command.contains(where: { $0.hasSuffix("/initdb") }), command.contains(path) {
                ServerProcess.killForeignTree(pid)
            }
        }
        do {
            for name in try FileManager.default.contentsOfDirectory(atPath: path) {
                try FileManager.default.removeItem(atPath: "\(path)/\(name)")
            }
        } catch {
            throw PrivateServerError(
                .unusableDirectory, "A half-made database in \(path) can't be removed: delete that folder.",
                underlying: error)
        }
        endMaking()
    }

    /// Whether nothing is in it.
    var isEmpty: Bool { (try? FileManager.default.contentsOfDirectory(atPath: path))?.isEmpty ?? false }

    /// The file's text, or nil when there is no such file.
    func text(of name: String) -> String? {
        FileManager.default.contents(atPath: "\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }
}

/// The user that PostgreSQL runs as when this process is root, whom PostgreSQL refuses.
struct ServerAccount {
    let name: String
    let user: uid_t
    let group: gid_t

    /// The account `postgres`, or nil when this process isn't root and needs none.
    static func forPostgres() throws(PrivateServerError) -> ServerAccount? {
        guard geteuid() == 0 else { return nil }
        guard let entry = getpwnam("postgres") else {
            throw PrivateServerError(
                .programNotFound,
                "PostgreSQL does not run as root, and there is no user 'postgres' to run it as: "
                    + "start as another user, or install the package postgresql.")
        }
        return ServerAccount(name: "postgres", user: entry.pointee.pw_uid, group: entry.pointee.pw_gid)
    }

    func mayTraverse(_ status: stat) -> Bool {
        if status.st_uid == user { return status.st_mode & S_IXUSR != 0 }
        if status.st_gid == group { return status.st_mode & S_IXGRP != 0 }
        return status.st_mode & S_IXOTH != 0
    }
}
