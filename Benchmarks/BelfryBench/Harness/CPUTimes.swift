import Foundation
import Glibc

/// Seconds of processor time that the parts of a measured system have used so far.
struct CPUTimes: Sendable {
    /// By the part's name, in the order to be told.
    private let parts: [(name: String, seconds: Double)]
    private let time = ContinuousClock.now

    /// - Parameter parts: a name and what its process has used; a part that is nil is left out.
    init(_ parts: [(name: String, seconds: Double?)]) {
        self.parts = parts.compactMap { part in part.seconds.map { (part.name, $0) } }
    }

    /// The shares of a core from an earlier reading to this one, say `belfry 61 %, postgres 85 %`.
    func shares(since earlier: CPUTimes) -> String {
        let seconds = (time - earlier.time) / .seconds(1)
        return zip(parts, earlier.parts).map { now, before in
            "\(now.name) \(Int(((now.seconds - before.seconds) / seconds * 100).rounded())) %"
        }.joined(separator: ", ")
    }

    /// What the private PostgreSQL of a scenario has used, all its processes; nil for a server of the caller's.
    static func postgres(_ context: ScenarioContext) -> Double? {
        guard context.postgresURL == nil else { return nil }
        return tree(of: firstNumber(in: context.folder.appendingPathComponent("postgres/postmaster.pid")))
    }

    /// The same of Redis.
    static func redis(_ context: ScenarioContext) -> Double? {
        guard context.redisURL == nil else { return nil }
        return tree(of: firstNumber(in: context.folder.appendingPathComponent("redis/belfry-redis.pid")))
    }

    private static func firstNumber(in file: URL) -> Int32? {
        guard let data = FileManager.default.contents(atPath: file.path) else { return nil }
        return Int32(String(decoding: data.prefix { $0 >= 48 && $0 <= 57 }, as: UTF8.self))
    }

    /// A process, the children it has waited for, and those that still run.
    private static func tree(of process: Int32?) -> Double? {
        guard let process, let own = stat(of: process) else { return nil }
        var ticks = own.ticks + own.childTicks
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let pid = Int32(name), let child = stat(of: pid), child.parent == process else { continue }
            ticks += child.ticks
        }
        return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// From `/proc/<pid>/stat` (proc(5)): parent, utime + stime, cutime + cstime.
    private static func stat(of pid: Int32) -> (parent: Int32, ticks: Double, childTicks: Double)? {
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        guard let bracket = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: bracket)...].split(separator: " ")
        guard fields.count > 14, let parent = Int32(fields[1]) else { return nil }
        let times = fields[11...14].map { Double($0) ?? 0 }
        return (parent, times[0] + times[1], times[2] + times[3])
    }
}
