import Foundation
import Glibc

/// What a process has used so far, from `/proc/<pid>` (proc(5)).
struct ProcessUsage: Sendable {
    /// Seconds of processor time, of user and system together.
    let cpuSeconds: Double
    /// Resident memory in bytes.
    let residentBytes: Int

    /// Nil when there is no such process.
    init?(of pid: Int32) {
        guard let stat = FileManager.default.contents(atPath: "/proc/\(pid)/stat"),
            let statm = FileManager.default.contents(atPath: "/proc/\(pid)/statm")
        else { return nil }
        let text = String(decoding: stat, as: UTF8.self)
        guard let bracket = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: bracket)...].split(separator: " ")
        let pages = String(decoding: statm, as: UTF8.self).split(separator: " ")
        // Fields 14 and 15 of the file (utime, stime) are the 12th and 13th after the name in brackets.
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]), pages.count > 1,
            let resident = Int(pages[1])
        else { return nil }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = resident * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// This process.
    static var own: ProcessUsage? { ProcessUsage(of: getpid()) }
}
