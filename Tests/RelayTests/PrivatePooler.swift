import Foundation
import Testing

/// A pgbouncer in transaction mode in front of a test's database.
final class PrivatePooler: @unchecked Sendable {
    private let process = Process()
    private let folder: URL
    let url: String

    static let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// - Parameter database: an URL of PostgreSQL on 127.0.0.1.
    init(database: String, role: String) throws {
        let target = try #require(URL(string: database))
        let name = target.lastPathComponent
        let port = try Self.freePort()
        folder = FileManager.default.temporaryDirectory.appending(path: "belfry-pooler-\(getpid())-\(port)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let users = folder.appending(path: "users.txt")
        try "\"\(role)\" \"\"\n".write(to: users, atomically: true, encoding: .utf8)
        let settings = folder.appending(path: "pgbouncer.ini")
        try """
        [databases]
        \(name) = host=127.0.0.1 port=\(target.port ?? 5432) dbname=\(name) user=\(role)
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = \(port)
        unix_socket_dir =
        auth_type = trust
        auth_file = \(users.path)
        pool_mode = transaction
        default_pool_size = 5
        ignore_startup_parameters = extra_float_digits
        """.write(to: settings, atomically: true, encoding: .utf8)
        let program = try #require(Self.program)
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        // pgbouncer refuses root.
        if getuid() == 0 {
            process.executableURL = URL(filePath: "/usr/bin/setpriv")
            process.arguments = [
                "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL", program, settings.path,
            ]
        } else {
            process.executableURL = URL(filePath: program)
            process.arguments = [settings.path]
        }
        url = "postgresql://\(role)@127.0.0.1:\(port)/\(name)"
        try process.run()
    }

    /// As a crash would.
    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int? in
                guard bind(descriptor, address, length) == 0, getsockname(descriptor, address, &length) == 0 else {
                    return nil
                }
                return Int(pointer.pointee.sin_port.bigEndian)
            }
        }
        return try #require(port)
    }
}
