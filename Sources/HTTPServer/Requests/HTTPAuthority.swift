import BelfryModel
import Glibc

/// A host and perhaps a port, as the header `Host`, an absolute request target and an `Origin` have them
/// (RFC 3986, section 3.2): no user, nothing behind.
struct HTTPAuthority: Hashable, Sendable {
    /// As it was written; an IPv6 address without its brackets.
    let host: String
    /// `nil` when there is none, and for a colon with nothing behind it, which means the same.
    let port: UInt16?

    /// - Parameter text: any text at all.
    /// - Returns: `nil` when it is no authority, or one without a host, which `http` does not know (RFC 9110, section
    ///   4.2.1).
    init?(parsing text: some StringProtocol) {
        let rest: Substring
        if text.utf8.first == UInt8(ascii: "[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = String(text[text.index(after: text.startIndex)..<end])
            rest = Substring(text[text.index(after: end)...])
            var address = in6_addr()
            guard !host.utf8.contains(0), inet_pton(AF_INET6, host, &address) == 1 else { return nil }
        } else {
            let name = text.prefix { $0 != ":" }
            host = String(name)
            rest = Substring(text[name.endIndex...])
            guard Self.isName(host) else { return nil }
        }
        guard rest.utf8.count > 1 else {
            guard rest.isEmpty || rest == ":" else { return nil }
            port = nil
            return
        }
        // `UInt16` would take a sign, too.
        guard rest.first == ":", rest.utf8.dropFirst().allSatisfy(Self.isDigit), let port = UInt16(rest.dropFirst())
        else { return nil }
        self.port = port
    }

    /// Whether the host is this machine for certain.
    var isLoopback: Bool { Loopback.contains(host) }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// Whether a text is a registered name or an IPv4 address (RFC 3986, section 3.2.2, `reg-name`), and not empty.
    private static func isName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%") {
                guard index + 2 < bytes.count, bytes[index + 1].hexDigitValue != nil,
                    bytes[index + 2].hexDigitValue != nil
                else {
                    return false
                }
                index += 3
            } else {
                guard isUnreservedOrDelimiter(bytes[index]) else { return false }
                index += 1
            }
        }
        return !bytes.isEmpty
    }

    private static func isUnreservedOrDelimiter(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x41...0x5A).contains(byte & 0xDF) || "-._~!$&'()*+,;=".utf8.contains(byte)
    }
}
