import Foundation
import NIOCore
import Testing

@testable import SockJS

@Suite("MessageQuoting")
struct MessageQuotingTests {
    private func quoted(_ text: String) -> String {
        var target = ByteBuffer()
        MessageQuoting.quote(ByteBuffer(string: text), into: &target)
        return String(buffer: target)
    }

    @Test("Every character comes back from JSON as it was") func roundTrip() throws {
        let scalars = (0...0x2FFF).compactMap(Unicode.Scalar.init) + (0xF000...0x1_0400).compactMap(Unicode.Scalar.init)
        let text = String(String.UnicodeScalarView(scalars))
        let data = Data("[\(quoted(text))]".utf8)
        let read = try #require(try JSONSerialization.jsonObject(with: data) as? [String])
        #expect(read.first.map { Array($0.unicodeScalars) } == scalars)
    }

    @Test("What browsers or proxies damage is escaped, and its neighbours are not")
    func escapes() {
        for unit in [0x200C...0x200F, 0x2028...0x202F, 0x2060...0x206F, 0xFFF0...0xFFFF].joined() {
            let scalar = Unicode.Scalar(UInt16(unit)) ?? "?"
            #expect(quoted("a\(scalar)b") == "\"a\\u\(String(unit, radix: 16))b\"")
        }
        for text in ["\u{200B}", "\u{2010}", "\u{2027}", "\u{2030}", "\u{205F}", "\u{2070}", "\u{FFEF}", "\u{10000}"] {
            #expect(quoted(text) == "\"\(text)\"")
        }
        #expect(quoted("\0\u{1F}\u{7F}\"\\/") == "\"\\u0000\\u001f\u{7F}\\\"\\\\/\"")
        #expect(quoted("\u{8}\t\n\u{c}\r") == #""\b\t\n\f\r""#)
        #expect(quoted("") == "\"\"")
    }

    @Test("A script in a page can't be ended by what a message holds") func scripts() {
        var target = ByteBuffer()
        MessageQuoting.quoteForScript(ByteBuffer(string: #"a["</script><!-- \" ä"]"#), into: &target)
        #expect(String(buffer: target) == #""a[\"\u003c/script>\u003c!-- \\\" ä\"]""#)
    }
}
