/// The addresses that share a prefix, written `10.0.0.0/8`, `fd00::/8`, or as one address (RFC 4632, section 3.1).
public struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    private let base: IPAddress
    /// Bits of the IPv6 form that count.
    private let bits: Int

    /// - Parameter text: any text at all.
    /// - Returns: `nil` when it is no range, or when bits are set behind its prefix: then it is not clear what is
    ///   meant.
    public init?(parsing text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let base = IPAddress(parsing: first) else { return nil }
        let all = base.isIPv4 ? 32 : 128
        var prefix = all
        if parts.count == 2 {
            guard !parts[1].isEmpty, parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(parts[1]), number <= all
            else { return nil }
            prefix = number
        }
        self.base = base
        bits = prefix + 128 - all
        guard Self.masked(base, bits) == base else { return nil }
    }

    /// Whether an address is one of these.
    public func contains(_ address: IPAddress) -> Bool {
        address.isIPv4 == base.isIPv4 && Self.masked(address, bits) == base
    }

    public var description: String { "\(base)/\(base.isIPv4 ? bits - 96 : bits)" }

    private static func masked(_ address: IPAddress, _ bits: Int) -> IPAddress {
        // Shifts by 64 or more give 0.
        IPAddress(
            high: address.high & ~(UInt64.max >> UInt64(min(bits, 64))),
            low: address.low & ~(UInt64.max >> UInt64(max(bits - 64, 0))))
    }
}

/// The proxies whose word is taken for who their clients are.
public struct TrustedProxies: Sendable {
    private let ranges: [AddressRange]

    public init(_ ranges: [AddressRange] = []) { self.ranges = ranges }

    /// Whether what comes from this address is believed.
    public func contains(_ address: IPAddress?) -> Bool {
        guard let address else { return false }
        return ranges.contains { $0.contains(address) }
    }
}
