import BelfryModel
import Testing

@Suite("CloseReason")
struct CloseReasonTests {
    @Test("Every text is a short sentence of its own that fits a Close frame", arguments: CloseReason.allCases)
    func text(_ reason: CloseReason) {
        // RFC 6455, section 5.5: 125 bytes for a control frame, two of them the code.
        #expect(reason.text.utf8.count <= 123)
        #expect(reason.text.utf8.count < 100)
        #expect(reason.text.hasSuffix("."))
        #expect(reason.text.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
        #expect(CloseReason.allCases.count { $0.text == reason.text } == 1)
    }
}
