/// One header of a frame, unescaped.
public struct Header: Hashable, Sendable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// Without blanks at the ends of name and value: those of STOMP 1.0 are commonly written `name: value`, and it was
    /// 1.2 that forbade to trim.
    var trimmed: Header { Header(Self.withoutBlanks(name), Self.withoutBlanks(value)) }

    private static func withoutBlanks(_ text: String) -> String {
        let isBlank: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        guard let first = text.utf8.first, let last = text.utf8.last, isBlank(first) || isBlank(last) else {
            return text
        }
        let bytes = text.utf8.drop(while: isBlank)
        return String(decoding: bytes.reversed().drop(while: isBlank).reversed(), as: UTF8.self)
    }
}

/// The headers of a frame in the order in which they stand there.
///
/// "If a client or a server receives repeated frame header entries, only the first header entry SHOULD be used"
/// ("STOMP 1.2, Repeated Header Entries"), so the first entry of a name wins on lookup. Names are case-sensitive.
public struct Headers: Hashable, Sendable, RandomAccessCollection, ExpressibleByDictionaryLiteral {
    // A list and not a dictionary: a frame has a handful of headers, and looking through them costs less than hashing.
    private var entries: [Header] = []

    public init() {}

    public init(_ entries: [Header]) {
        self.entries = entries
    }

    public init(dictionaryLiteral elements: (String, String)...) {
        entries = elements.map { Header($0.0, $0.1) }
    }

    public var startIndex: Int { entries.startIndex }
    public var endIndex: Int { entries.endIndex }
    public subscript(position: Int) -> Header { entries[position] }

    /// The value of the first header of this name.
    public subscript(name: String) -> String? {
        for entry in entries where entry.name == name { return entry.value }
        return nil
    }

    /// Adds a header at the end; an earlier one of the same name goes on winning.
    public mutating func append(_ name: String, _ value: String) {
        entries.append(Header(name, value))
    }

    /// With each header trimmed: see `Header.trimmed`.
    var trimmed: Headers { Headers(entries.map(\.trimmed)) }

    /// Adds a header at the end.
    public mutating func append(_ header: Header) {
        entries.append(header)
    }
}
