import Glibc

/// Dates in header fields.
public enum HTTPDate {
    /// Now, for the header `Date`.
    static var now: String { text(secondsFromNow: 0) }

    /// A time as RFC 9110, section 5.6.7, has it. The process keeps the C locale's English names.
    public static func text(secondsFromNow: Int) -> String {
        var (seconds, parts) = (time(nil) + secondsFromNow, tm())
        gmtime_r(&seconds, &parts)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
            strftime(text.baseAddress, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
            return text.baseAddress.map { String(cString: $0) } ?? ""
        }
    }
}
