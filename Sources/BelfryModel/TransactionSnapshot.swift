/// A PostgreSQL `pg_snapshot`: which transactions' rows a statement could see.
///
/// PostgreSQL docs, "Transaction ID and Snapshot Information Functions": the text form is `xmin:xmax:xip_list`. Every
/// xid below `xmin` is over; none at or above `xmax` is; in between, those in `xip_list` were still running.
public struct TransactionSnapshot: Sendable, Hashable, CustomStringConvertible {
    public let xmin: UInt64
    public let xmax: UInt64
    /// Transactions between `xmin` and `xmax` that were still running, ascending.
    public let running: [UInt64]

    /// Reads the text form; `nil` for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let xmin = Self.xid(parts[0]), let xmax = Self.xid(parts[1]), 0 < xmin, xmin <= xmax
        else { return nil }
        var running: [UInt64] = []
        if !parts[2].isEmpty {
            for item in parts[2].split(separator: ",", omittingEmptySubsequences: false) {
                guard let xid = Self.xid(item), xmin <= xid, xid < xmax, (running.last ?? 0) < xid else { return nil }
                running.append(xid)
            }
        }
        self.xmin = xmin
        self.xmax = xmax
        self.running = running
    }

    private static func xid(_ digits: some StringProtocol) -> UInt64? {
        digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? UInt64(digits) : nil
    }

    /// Whether the rows of transaction `xid` are visible in this snapshot, given that it committed
    /// (`pg_visible_in_snapshot`).
    public func sees(_ xid: UInt64) -> Bool {
        if xid < xmin { return true }
        if xid >= xmax { return false }
        return !containsRunning(xid)
    }

    private func containsRunning(_ xid: UInt64) -> Bool {
        var low = 0
        var high = running.count
        while low < high {
            let middle = (low + high) / 2
            if running[middle] == xid { return true }
            if running[middle] < xid { low = middle + 1 } else { high = middle }
        }
        return false
    }

    public var description: String {
        "\(xmin):\(xmax):\(running.map(String.init).joined(separator: ","))"
    }
}
