/// Receivers and types that operators watch at present.
public struct WatchList: Sendable, Equatable {
    public var receivers: Set<String>
    public var types: Set<String>

    public init(receivers: Set<String> = [], types: Set<String> = []) {
        self.receivers = receivers
        self.types = types
    }

    var isEmpty: Bool { receivers.isEmpty && types.isEmpty }

    /// Whether a message is under watch.
    ///
    /// - Parameters:
    ///   - receiver: `nil` for a broadcast.
    ///   - body: its JSON body, in which the type is the second member (`belfry.body`).
    func holds(receiver: String?, body: UnsafeRawBufferPointer) -> Bool {
        if let receiver, receivers.contains(receiver) { return true }
        guard !types.isEmpty, let type = Self.type(of: body) else { return false }
        return types.contains(type)
    }

    /// Bytes within which a body names its type: an id has 19 digits at most, a type 64 bytes.
    private static let typeWithin = 128
    private static let mark = Array(#"","type":""#.utf8)

    /// `{"id":"…","type":"…"`, of which neither needs an escape.
    static func type(of body: UnsafeRawBufferPointer) -> String? {
        let head = body.prefix(typeWithin)
        guard let id = head.firstIndex(where: { $0 == UInt8(ascii: ":") }),
            let end = head[min(id + 2, head.endIndex)...].firstIndex(of: UInt8(ascii: "\"")),
            head[end...].starts(with: mark)
        else { return nil }
        let name = head[(end + mark.count)...].prefix { $0 != UInt8(ascii: "\"") }
        return name.endIndex < head.endIndex ? String(decoding: name, as: UTF8.self) : nil
    }
}
