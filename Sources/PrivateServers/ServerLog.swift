import Foundation

/// A server's log file, read from where this start began.
struct ServerLog {
    let path: String
    private let start: UInt64

    init(path: String) {
        self.path = path
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        start = (attributes?[.size] as? NSNumber)?.uint64Value ?? 0
    }

    /// The last lines since this start, for an error message.
    var tail: String {
        let lines = text.suffix(4_000).split(separator: "\n").suffix(12)
        return lines.isEmpty ? "(nothing)" : lines.joined(separator: "\n")
    }

    /// Whether redis-server takes connections, by its own word: an answer on the port could be another server's.
    var saysReady: Bool { text.contains("Ready to accept connections") }

    /// Whether the port was taken by somebody else between our look and the server's bind.
    var saysPortTaken: Bool { tail.localizedCaseInsensitiveContains("address already in use") }

    /// Whether children of a killed PostgreSQL still hold its shared memory; they end by themselves.
    var saysMemoryInUse: Bool { tail.contains("pre-existing shared memory block") }

    private var text: String {
        let whole = FileManager.default.contents(atPath: path) ?? Data()
        return String(decoding: whole.dropFirst(Int(start)), as: UTF8.self)
    }
}
