import Glibc

/// Which hosts are this machine for certain.
public enum Loopback {
    /// Whether a host is a loopback one: `localhost`, an address in 127.0.0.0/8, or `::1`, without brackets.
    ///
    /// Other names may stand for the same addresses; that depends on who answers for the name, so they do not count.
    public static func contains(_ host: String) -> Bool {
        // The functions below read up to a NUL.
        guard !host.utf8.contains(0) else { return false }
        if ["localhost", "localhost."].contains(host.lowercased()) { return true }
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
        var six = in6_addr()
        guard inet_pton(AF_INET6, host, &six) == 1 else { return false }
        return withUnsafeBytes(of: six) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
    }
}
