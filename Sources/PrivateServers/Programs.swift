import Foundation
import Glibc

/// Finds and runs the programs that come with the system.
enum Programs {
    /// The absolute path of a program in PATH, or in the usual folders that a service's PATH may lack.
    static func find(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders = path.split(separator: ":").map(String.init) + ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"]
        return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// Runs a program to its end, a minute at most.
    /// - Returns: its output, standard error included, and whether it exited within the time.
    static func run(_ arguments: [String]) async throws(PrivateServerError) -> (output: String, finished: Bool) {
        var template = Array("\(NSTemporaryDirectory())/belfry-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw PrivateServerError(
                .startFailed, "Can't make a temporary file: \(String(cString: strerror(errno))).")
        }
        close(descriptor)
        let log = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer { unlink(log) }
        let process = try ServerProcess.spawn(arguments, log: log)
        RunningServers.add(process)
        let finished = await process.waitForExit(within: .seconds(60))
        if !finished { process.killTree() }
        RunningServers.remove(process)
        let output = FileManager.default.contents(atPath: log) ?? Data()
        return (String(decoding: output, as: UTF8.self), finished)
    }
}

/// A folder with PostgreSQL's server programs.
struct PostgresPrograms {
    let folder: String
    let version: Int

    /// The oldest major version with what Belfry needs (unlogged sequences).
    static let versionMin = 15

    /// Looks in `$BELFRY_PG_BIN`, which rules alone when set, then where `pg_config` points, then in Debian's folders.
    /// - Parameter version: the major version that an existing data directory asks for; else the first found is taken.
    static func find(version: Int?) async throws(PrivateServerError) -> PostgresPrograms {
        if let folder = ProcessInfo.processInfo.environment["BELFRY_PG_BIN"] {
            guard let programs = try await inspect(folder), programs.version >= versionMin else {
                throw PrivateServerError(
                    .programNotFound,
                    "BELFRY_PG_BIN is \(folder), but no PostgreSQL \(versionMin) or later (postgres, initdb) is there.")
            }
            return programs
        }
        var folders: [String] = []
        if let config = Programs.find("pg_config") {
            let answer = try await Programs.run([config, "--bindir"]).output
            folders.append(answer.trimmingCharacters(in: .whitespacesAndNewlines))
        }
        let debian = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        folders += debian.compactMap { Int($0) }.sorted(by: >).map { "/usr/lib/postgresql/\($0)/bin" }
        for folder in folders {
            guard let programs = try await inspect(folder), programs.version >= versionMin else { continue }
            if version == nil || version == programs.version { return programs }
        }
        let wanted = version.map { "PostgreSQL \($0), which made the data directory," } ?? "PostgreSQL 15 or later"
        throw PrivateServerError(
            .programNotFound,
            "\(wanted) was not found in \(folders.isEmpty ? "/usr/lib/postgresql" : folders.joined(separator: ", ")): "
                + "install the package postgresql, or set BELFRY_PG_BIN to the folder with initdb and postgres.")
    }

    private static func inspect(_ folder: String) async throws(PrivateServerError) -> PostgresPrograms? {
        guard access("\(folder)/postgres", X_OK) == 0, access("\(folder)/initdb", X_OK) == 0 else { return nil }
        let answer = try await Programs.run(["\(folder)/postgres", "--version"]).output
        guard let digits = answer.split(separator: " ").first(where: { $0.first?.isNumber == true }),
            let version = Int(digits.prefix { $0.isNumber })
        else { return nil }
        return PostgresPrograms(folder: folder, version: version)
    }
}
