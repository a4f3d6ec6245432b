import BelfryModel
import Testing

@Suite("Address")
struct AddressTests {
    /// One é each: the first composed, the second an e with a combining accent.
    private static let composed = "caf\u{E9}"
    private static let decomposed = "cafe\u{301}"

    @Test("Two forms of one text are two users, as they are in PostgreSQL and Redis")
    func equalityIsBytewise() {
        #expect(Self.composed == Self.decomposed, "Swift's own strings are equal")
        #expect(Address.user(Self.composed) != .user(Self.decomposed))
        #expect(Address.topic(Self.composed) != .topic(Self.decomposed))
        #expect(Address.user(Self.composed) == .user("caf\u{E9}"))
    }

    @Test("A user and a topic of one name differ")
    func kindsDiffer() {
        #expect(Address.user("news") != .topic("news"))
        #expect(Set([Address.user("news"), .topic("news"), .user("news")]).count == 2)
    }

    @Test("As a dictionary's key, each form finds its own value")
    func keys() {
        let values: [Address: Int] = [
            .user(Self.composed): 1, .user(Self.decomposed): 2, .topic(Self.composed): 3, .topic(Self.decomposed): 4,
        ]
        #expect(values.count == 4)
        #expect(values[.user(Self.composed)] == 1)
        #expect(values[.user(Self.decomposed)] == 2)
        #expect(values[.topic(Self.composed)] == 3)
        #expect(values[.topic(Self.decomposed)] == 4)
        #expect(values[.user("cafe")] == nil)
    }

    @Test("Equal addresses hash alike, however their strings are stored")
    func hashing() {
        let short = "bob"
        let long = String(repeating: "a long name of a user ", count: 10)
        for name in [short, long] {
            let rebuilt = String(decoding: Array(name.utf8), as: UTF8.self)
            #expect(Address.user(name).hashValue == Address.user(rebuilt).hashValue)
            #expect(Address.user(name) == .user(rebuilt))
        }
    }
}
