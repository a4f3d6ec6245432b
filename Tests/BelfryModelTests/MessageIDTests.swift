import BelfryModel
import Testing

@Suite("MessageID")
struct MessageIDTests {
    @Test("The text form comes back as it went", arguments: [1, 9, 10, 4_711, Int64.max])
    func roundTrip(_ value: Int64) throws {
        let id = MessageID(rawValue: value)
        #expect(id.description == String(value))
        #expect(MessageID(id.description) == id)
        #expect(MessageID(Substring(id.description)) == id)
    }

    @Test(
        "There is one text form only: decimal, positive, no sign, no leading zero",
        arguments: [
            "", "0", "-1", "+1", "01", "007", " 1", "1 ", "1\n", "1.0", "1e3", "0x1", "١", "１", "a",
            "9223372036854775808",
            "99999999999999999999999", "1_000", "\u{0}1",
        ])
    func refused(_ text: String) {
        #expect(MessageID(text) == nil)
    }

    @Test("Ids are ordered as numbers")
    func order() {
        #expect(MessageID(rawValue: 9) < MessageID(rawValue: 10))
        #expect([10, 9, 100].map(MessageID.init(rawValue:)).sorted().map(\.rawValue) == [9, 10, 100])
    }
}
