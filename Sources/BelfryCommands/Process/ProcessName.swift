import Foundation

/// What this process is called where several are listed.
enum ProcessName {
    /// The machine's name, without asking DNS.
    static var host: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Host and process, and something that a later process with the same number does not have.
    static func unique() -> String {
        let mark = String(UInt32.random(in: .min ... .max), radix: 36)
        return "\(host)/\(ProcessInfo.processInfo.processIdentifier)/\(mark)"
    }
}
