import Foundation
import Glibc

/// What `/proc` tells about other processes, from the files that every user may read.
enum ProcessTable {
    /// Every process.
    static var all: [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap(pid_t.init)
    }

    /// The processes whose parent is `parent`.
    static func children(of parent: pid_t) -> [pid_t] {
        all.filter { status(of: $0)?.parent == parent }
    }

    /// Whether the process exists and is more than a zombie.
    static func isAlive(_ pid: pid_t) -> Bool {
        guard let state = status(of: pid)?.state else { return false }
        return state != "Z" && state != "X"
    }

    /// Whether the process was stopped by a signal.
    static func isStopped(_ pid: pid_t) -> Bool { status(of: pid)?.state == "T" }

    /// The arguments the process was started with; empty when it is gone.
    static func commandLine(of pid: pid_t) -> [String] {
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else { return [] }
        return data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// State letter and parent from `/proc/<pid>/stat` (proc(5)); the name in brackets may itself hold brackets.
    private static func status(of pid: pid_t) -> (state: Character, parent: pid_t)? {
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        guard let bracket = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: bracket)...].split(separator: " ")
        guard fields.count >= 2, let state = fields[0].first, let parent = pid_t(fields[1]) else { return nil }
        return (state, parent)
    }
}
