/// A PostgreSQL `pg_snapshot`: which transactions' rows a statement could see.
///
/// PostgreSQL docs, "Transaction ID and Snapshot Information Functions": the text form is `xmin:xmax:xip_list`. Every
/// xid below `xmin` is over; none at or above `xmax` is; in between, those in `xip_list` were still running.
public struct TransactionSnapshot: Sendable, Hashable, CustomStringConvertible {
    public let xmin: UInt64
    public let xmax: UInt64
    /// Transactions between `xmin` and `xmax` that were still running, ascending.
    public let running: [UInt64]

    /// Reads the text form; `nil` for anything else. In one pass over the bytes, as the relay does it for each message.
    public init?(_ text: some StringProtocol) {
        var numbers: [UInt64] = []
        var number: UInt64?
        var colons = 0
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let (tens, isTooLarge) = (number ?? 0).multipliedReportingOverflow(by: 10)
                let (sum, isTooLargeToo) = tens.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
                if isTooLarge || isTooLargeToo { return nil }
                number = sum
            case UInt8(ascii: ":") where colons < 2, UInt8(ascii: ",") where colons == 2:
                guard let ended = number else { return nil }
                if byte == UInt8(ascii: ":") { colons += 1 }
                numbers.append(ended)
                number = nil
            default:
                return nil
            }
        }
        if let number {
            numbers.append(number)
        } else if numbers.count != 2 {
            // The list may be empty, its last item may not.
            return nil
        }
        guard colons == 2, 0 < numbers[0], numbers[0] <= numbers[1] else { return nil }
        xmin = numbers[0]
        xmax = numbers[1]
        running = Array(numbers[2...])
        var least = xmin
        for xid in running {
            guard least <= xid, xid < xmax else { return nil }
            least = xid + 1
        }
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
