/// One header of a frame, unescaped.
public struct Header: Hashable, Sendable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
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

    /// Adds a header at the end.
    public mutating func append(_ header: Header) {
        entries.append(header)
    }
}
