/// One element of the header `Forwarded`: what one proxy tells (RFC 7239, section 4).
struct ForwardedHop: Equatable {
    var `for`: String?
    var host: String?
    var proto: String?

    /// The elements of one header line, in their order. One that is not understood is there, and tells nothing: those
    /// before it are by others who may have written it so.
    ///
    /// - Parameter value: any text at all.
    static func all(in value: String) -> [ForwardedHop] {
        var hops: [ForwardedHop] = []
        var rest = value.utf8[...]
        repeat {
            var hop = ForwardedHop()
            repeat {
                guard let (name, text) = pair(&rest) else {
                    // Where it goes on is not known: a quotation may have been left open.
                    return hops + [ForwardedHop()]
                }
                hop.set(name, text)
            } while skip(";", &rest)
            hops.append(hop)
        } while skip(",", &rest)
        return rest.isEmpty ? hops : hops + [ForwardedHop()]
    }

    private mutating func set(_ name: String, _ text: String) {
        switch name {
        case "for": `for` = text
        case "host": host = text
        case "proto": proto = text
        default: break
        }
    }

    /// `token=value`, the value a token or a quoted string.
    private static func pair(_ rest: inout Substring.UTF8View) -> (String, String)? {
        skipBlanks(&rest)
        let name = rest.prefix(while: isOfToken)
        rest = rest[name.endIndex...]
        guard !name.isEmpty, skip("=", &rest) else { return nil }
        let text: String
        if rest.first == UInt8(ascii: "\"") {
            guard let quoted = quotation(&rest) else { return nil }
            text = quoted
        } else {
            let token = rest.prefix(while: isOfToken)
            rest = rest[token.endIndex...]
            text = String(decoding: token, as: UTF8.self)
        }
        skipBlanks(&rest)
        return (String(decoding: name, as: UTF8.self).lowercased(), text)
    }

    private static func quotation(_ rest: inout Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        rest.removeFirst()
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let escaped = rest.popFirst() else { return nil }
                bytes.append(escaped)
            default: bytes.append(byte)
            }
        }
        return nil
    }

    private static func skip(_ character: Unicode.Scalar, _ rest: inout Substring.UTF8View) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    private static func skipBlanks(_ rest: inout Substring.UTF8View) {
        rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    }

    /// RFC 9110, section 5.6.2; and what tokens must not hold but unquoted addresses do: brackets and colons.
    private static func isOfToken(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF) || "!#$%&'*+-.^_`|~[]:".utf8.contains(byte)
    }
}
