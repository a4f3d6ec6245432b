import Foundation
import Glibc

/// The machine that the figures are of.
public struct Machine: Sendable, Codable {
    public let processor: String
    public let cores: Int
    public let memoryGiB: Double
    public let kernel: String
    public let system: String

    /// This machine, as `/proc` and `/etc/os-release` describe it.
    public static var current: Machine {
        var name = utsname()
        uname(&name)
        let kernel = withUnsafeBytes(of: &name.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return Machine(
            processor: value(of: "model name", in: "/proc/cpuinfo", separator: ":") ?? "unknown",
            cores: ProcessInfo.processInfo.activeProcessorCount,
            memoryGiB: (Double(ProcessInfo.processInfo.physicalMemory) / 1_073_741_824 * 10).rounded() / 10,
            kernel: kernel,
            system: value(of: "PRETTY_NAME", in: "/etc/os-release", separator: "=") ?? "Linux")
    }

    private static func value(of key: String, in path: String, separator: Character) -> String? {
        // Foundation reads files of /proc, whose size is 0, to their end.
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: separator, maxSplits: 1)
            if parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == key {
                return parts[1].trimmingCharacters(in: CharacterSet(charactersIn: " \t\""))
            }
        }
        return nil
    }
}

/// What a process has used so far, from `/proc/<pid>` (proc(5)).
public struct ProcessUsage: Sendable {
    /// Seconds of processor time, of user and system together.
    public let cpuSeconds: Double
    /// Resident memory in bytes.
    public let residentBytes: Int

    /// Nil when there is no such process.
    public init?(of pid: Int32) {
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
    public static var own: ProcessUsage? { ProcessUsage(of: getpid()) }
}
