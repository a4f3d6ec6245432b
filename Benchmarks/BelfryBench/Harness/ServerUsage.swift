import Foundation

/// What the processes of a server have used together.
struct ServerUsage: Sendable {
    private(set) var cpuSeconds = 0.0
    private(set) var residentBytes = 0

    /// Nil when none of them is there.
    init?(of processes: [Int32]) {
        var isThere = false
        for process in processes {
            guard let usage = ProcessUsage(of: process) else { continue }
            isThere = true
            cpuSeconds += Self.scheduledSeconds(of: process) ?? usage.cpuSeconds
            residentBytes += usage.residentBytes
        }
        guard isThere else { return nil }
    }

    /// Processor time of the running threads, to the nanosecond (`schedstat`, first field). The time in `stat` is
    /// counted by ticks of 10 ms, which miss the short bursts of a server that is mostly idle.
    private static func scheduledSeconds(of process: Int32) -> Double? {
        let folder = "/proc/\(process)/task"
        guard let threads = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return nil }
        var nanoseconds = 0.0
        for thread in threads {
            guard let data = FileManager.default.contents(atPath: "\(folder)/\(thread)/schedstat"),
                let first = String(decoding: data, as: UTF8.self).split(separator: " ").first,
                let value = Double(first)
            else { return nil }
            nanoseconds += value
        }
        return nanoseconds / 1e9
    }
}
