import Glibc
import NIOCore

/// The address of a machine, of IPv4 or IPv6. An IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`) is
/// the same as itself, so that no list and no limit is got round by the other spelling.
public struct IPAddress: Hashable, Sendable {
    /// The 128 bits of its IPv6 form.
    let high: UInt64
    let low: UInt64

    /// What stands before an IPv4 address in its IPv6 form (RFC 4291, section 2.5.5.2).
    private static let mappedPrefix: UInt64 = 0xFFFF << 32

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// An IPv4 address, its first byte the highest.
    init(ipv4: UInt32) { self.init(high: 0, low: Self.mappedPrefix | UInt64(ipv4)) }

    /// - Parameter text: any text at all; an IPv6 address without brackets and without a zone.
    public init?(parsing text: some StringProtocol) {
        let text = String(text)
        // The functions below read up to a NUL.
        guard text.utf8.count < 64, !text.utf8.contains(0) else { return nil }
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self.init(ipv4: UInt32(bigEndian: four.s_addr))
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        self.init(six)
    }

    /// The address of a socket; `nil` for one that has none, such as a UNIX domain socket.
    public init?(_ address: SocketAddress?) {
        switch address {
        case .v4(let address): self.init(ipv4: UInt32(bigEndian: address.address.sin_addr.s_addr))
        case .v6(let address): self.init(address.address.sin6_addr)
        case .unixDomainSocket, nil: return nil
        }
    }

    private init(_ address: in6_addr) {
        (high, low) = withUnsafeBytes(of: address) { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    /// Whether it is one of IPv4.
    var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// Whether it is this machine's own: 127.0.0.0/8 or `::1`.
    public var isLoopback: Bool { isIPv4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1 }

    /// What is counted as one peer: of IPv6 the first 64 bits, since whoever has one address has all of them.
    var ofOnePeer: IPAddress { isIPv4 ? self : IPAddress(high: high, low: 0) }
}

extension IPAddress: CustomStringConvertible {
    /// The usual text form (RFC 5952).
    public var description: String {
        if isIPv4 { return [24, 16, 8, 0].map { "\(low >> $0 & 0xFF)" }.joined(separator: ".") }
        var address = in6_addr()
        withUnsafeMutableBytes(of: &address) { bytes in
            bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            inet_ntop(AF_INET6, &address, text.baseAddress, socklen_t(text.count)).map { String(cString: $0) } ?? ""
        }
    }
}
