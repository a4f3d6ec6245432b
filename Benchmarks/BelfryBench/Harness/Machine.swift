import Foundation
import Glibc

/// The machine that the figures are of.
struct Machine: Sendable, Codable {
    let processor: String
    let cores: Int
    let memoryGiB: Double
    let kernel: String
    let system: String

    /// This machine, as `/proc` and `/etc/os-release` describe it.
    static var current: Machine {
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
