/// Where a page comes from, as browsers write the header `Origin` (RFC 6454, section 6.1): a scheme, a host, perhaps a
/// port, and nothing else.
struct WebOrigin: Hashable, Sendable {
    let scheme: String
    let authority: HTTPAuthority

    /// - Parameter text: any text at all.
    /// - Returns: `nil` for `null` and for what no browser writes: a user, a path, several origins.
    init?(parsing text: String) {
        guard let separator = text.firstRange(of: "://"), !text.hasSuffix(":") else { return nil }
        let scheme = text[..<separator.lowerBound]
        guard let first = scheme.utf8.first, Self.isLetter(first),
            scheme.utf8.allSatisfy({ Self.isLetter($0) || (0x30...0x39).contains($0) || "+-.".utf8.contains($0) }),
            let authority = HTTPAuthority(parsing: text[separator.upperBound...])
        else { return nil }
        self.scheme = String(scheme)
        self.authority = authority
    }

    /// Whether it is a page of `http` or `https`.
    var isOfWeb: Bool { isSecure || scheme.lowercased() == "http" }

    var isSecure: Bool { scheme.lowercased() == "https" }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte & 0xDF) }
}
