/// An extension that a client offers in `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).
public struct WebSocketExtension: Equatable, Sendable {
    public let name: String
    public let parameters: [(name: String, value: String?)]

    public static func == (one: Self, other: Self) -> Bool {
        one.name == other.name && one.parameters.elementsEqual(other.parameters, by: ==)
    }

    /// The list in a header; `nil` when it is none, which fails a handshake.
    ///
    /// - Parameter header: the values of all headers of the name, joined by commas.
    public static func list(parsing header: String) -> [Self]? {
        var parser = Parser(rest: Array(header.utf8)[...])
        return parser.list()
    }

    /// `1#( token *( ";" token [ "=" ( token / quoted-string ) ] ) )`. Elements of a list may be empty (RFC 9110,
    /// section 5.6.1.2).
    private struct Parser {
        var rest: ArraySlice<UInt8>

        mutating func list() -> [WebSocketExtension]? {
            var list: [WebSocketExtension] = []
            repeat {
                skipBlanks()
                if rest.isEmpty || rest.first == UInt8(ascii: ",") { continue }
                guard let element = element() else { return nil }
                list.append(element)
            } while skip(UInt8(ascii: ","))
            return rest.isEmpty && !list.isEmpty ? list : nil
        }

        private mutating func element() -> WebSocketExtension? {
            guard let name = token() else { return nil }
            var parameters: [(String, String?)] = []
            while skip(UInt8(ascii: ";")) {
                guard let name = token() else { return nil }
                guard skip(UInt8(ascii: "=")) else {
                    parameters.append((name, nil))
                    continue
                }
                skipBlanks()
                guard let value = rest.first == UInt8(ascii: "\"") ? quoted() : token() else { return nil }
                parameters.append((name, value))
            }
            return WebSocketExtension(name: name, parameters: parameters)
        }

        /// Takes a token, and blanks around it.
        private mutating func token() -> String? {
            skipBlanks()
            let bytes = rest.prefix(while: Self.isTokenByte)
            guard !bytes.isEmpty else { return nil }
            rest = rest.dropFirst(bytes.count)
            skipBlanks()
            return String(decoding: bytes, as: UTF8.self)
        }

        /// Takes a quoted string; what is in it must be a token, too.
        private mutating func quoted() -> String? {
            rest.removeFirst()
            var bytes: [UInt8] = []
            while let byte = rest.popFirst() {
                switch byte {
                case UInt8(ascii: "\""):
                    skipBlanks()
                    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let escaped = rest.popFirst(), Self.isTokenByte(escaped) else { return nil }
                    bytes.append(escaped)
                case _ where Self.isTokenByte(byte): bytes.append(byte)
                default: return nil
                }
            }
            return nil
        }

        private mutating func skip(_ byte: UInt8) -> Bool {
            guard rest.first == byte else { return false }
            rest.removeFirst()
            return true
        }

        private mutating func skipBlanks() { rest = rest.drop { $0 == 0x20 || $0 == 0x09 } }

        /// RFC 9110, section 5.6.2.
        private static func isTokenByte(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF) || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
