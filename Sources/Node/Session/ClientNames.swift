/// What clients call themselves, each text kept once: most browsers say the same. Used on one event loop.
struct ClientNames {
    /// Bytes of a name that are kept.
    private static let bytesMax = 200
    /// Names after which none is added: further ones are kept by their sessions alone.
    private static let namesMax = 1_000

    private var names: Set<String> = []

    /// - Parameter text: any text that a client sent.
    mutating func name(_ text: String) -> String? {
        let clean = String(
            decoding: text.utf8.prefix(Self.bytesMax).map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") },
            as: UTF8.self)
        guard !clean.isEmpty else { return nil }
        if let index = names.firstIndex(of: clean) { return names[index] }
        if names.count < Self.namesMax { names.insert(clean) }
        return clean
    }
}
