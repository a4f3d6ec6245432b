import Foundation

/// A pgbouncer in transaction mode in front of a test's database.
public final class PrivatePooler: @unchecked Sendable {
    private let process = Process()
    private let folder: URL
    public let url: String

    public static let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// - Parameters:
    ///   - database: an URL of PostgreSQL on 127.0.0.1.
    ///   - role: whose password nobody asks for.
    ///   - ignoresOptions: takes `options` of a client without a word and passes none on, instead of refusing them.
    ///   - size: sessions of PostgreSQL that its clients share.
    public init(database: String, role: String, ignoresOptions: Bool = false, size: Int = 5) throws {
        guard let target = URL(string: database), let program = Self.program else {
            throw CocoaError(.fileNoSuchFile)
        }
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
        default_pool_size = \(size)
        ignore_startup_parameters = extra_float_digits\(ignoresOptions ? ", options" : "")
        """.write(to: settings, atomically: true, encoding: .utf8)
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
    public func kill() {
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
        guard let port else { throw CocoaError(.fileNoSuchFile) }
        return port
    }
}
