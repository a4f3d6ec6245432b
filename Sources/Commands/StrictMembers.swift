/// Bodies of which no member may be misspelt: what is left out of a request to change something would change more.
extension Decoder {
    /// - Throws: `DecodingError` where there is a member beside those.
    func requireMembers<Key: CodingKey & CaseIterable>(of keys: Key.Type) throws {
        let known = Set(Key.allCases.map(\.stringValue))
        if let other = try container(keyedBy: AnyKey.self).allKeys.first(where: { !known.contains($0.stringValue) }) {
            throw DecodingError.dataCorrupted(.init(codingPath: [other], debugDescription: "there is no such member"))
        }
    }
}

extension KeyedDecodingContainer {
    /// The value of a member that may be absent. Null is none: of a criterion it would choose everything.
    func value<Value: Decodable>(_ type: Value.Type, _ key: Key) throws -> Value? {
        contains(key) ? try decode(type, forKey: key) : nil
    }
}

private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
