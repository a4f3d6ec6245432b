import Foundation
import NIOCore
import TestBasics
import Testing

@testable import SockJS

@Suite("MessageDecoder")
struct MessageDecoderTests {
    private func messages(_ text: String) throws -> [String] {
        try all(MessageDecoder.array(ByteBuffer(string: text)))
    }

    private func all(_ batch: MessageBatch) -> [String] {
        var batch = batch
        var messages: [String] = []
        while let message = batch.next() { messages.append(String(buffer: message)) }
        return messages
    }

    @Test(
        "An array's strings come out one by one, in their order",
        arguments: [
            ("[]", []), (#"["a"]"#, ["a"]), (#" [ "a" , "" ,"b" ] "#, ["a", "", "b"]),
            (#"["\"\\\/\b\f\n\r\t"]"#, ["\"\\/\u{8}\u{c}\n\r\t"]), (#"["\u0000\u00e4\u20AC"]"#, ["\0ä€"]),
            (#"["ä€😀"]"#, ["ä€😀"]), (#"["\ud83d\ude00"]"#, ["😀"]),
        ] as [(String, [String])])
    func arrays(_ text: String, _ expected: [String]) throws {
        #expect(try messages(text) == expected)
    }

    @Test(
        "Half of a pair is no character",
        arguments: [
            (#"["\ud83d"]"#, "\u{FFFD}"), (#"["\ude00x"]"#, "\u{FFFD}x"), (#"["\ud83d\u0041"]"#, "\u{FFFD}A"),
            (#"["\ud83d\ud83d\ude00"]"#, "\u{FFFD}😀"), (#"["\ud83d\n"]"#, "\u{FFFD}\n"),
        ])
    func halves(_ text: String, _ expected: String) throws {
        #expect(try messages(text) == [expected])
    }

    @Test(
        "What is no array of strings is refused",
        arguments: [
            "[", "]", "[\"a", "[\"a\"", "[\"a\",]", "[,]", "[\"a\" \"b\"]", "[\"a\"]x", "[1]", "[null]", "[[\"a\"]]",
            "{}",
            "\"a\"", "a", "[\"\\x\"]", "[\"\\u12\"]", "[\"\\u12G4\"]", "[\"\\ud83d\\u12\"]", "[\"\n\"]", "[\"\\", " ",
            "\u{FEFF}[]",
        ])
    func broken(_ text: String) {
        #expect(throws: MessageDecoder.Failure.brokenJSON) { try messages(text) }
    }

    @Test("Nothing at all is told apart") func nothing() {
        #expect(throws: MessageDecoder.Failure.nothing) { try messages("") }
    }

    @Test("Bytes that are no UTF-8 are refused", arguments: [[0xFF], [0xC3], [0xED, 0xA0, 0x80]] as [[UInt8]])
    func notUTF8(_ bytes: [UInt8]) {
        let text = ByteBuffer(bytes: Array("[\"".utf8) + bytes + Array("\"]".utf8))
        #expect(throws: MessageDecoder.Failure.brokenJSON) { try MessageDecoder.array(text) }
    }

    @Test("A WebSocket may bring a string by itself") func single() throws {
        #expect(try all(MessageDecoder.arrayOrString(ByteBuffer(string: "\"a\""))) == ["a"])
        #expect(try all(MessageDecoder.arrayOrString(ByteBuffer(string: "[\"a\",\"b\"]"))) == ["a", "b"])
        #expect(throws: MessageDecoder.Failure.brokenJSON) {
            try MessageDecoder.arrayOrString(ByteBuffer(string: "\"a\"\"b\""))
        }
    }

    @Test("Whatever Foundation takes for an array of strings is read the same; no bytes trap") func random() throws {
        var generator = SeededGenerator(seed: 9)
        let pieces = [
            "[", "]", "\"", "\\", "\\u", ",", "a", "ä", "😀", "d83d", "de00", "\\ud83d\\ude00", "0041", "\n", " ", "\\n",
            "\0",
        ]
        var valid = 0
        for _ in 0..<20_000 {
            let inner = (0..<Int.random(in: 0...8, using: &generator))
                .map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            let text = Bool.random(using: &generator) ? "[\"\(inner)\"]" : inner
            let ours = try? messages(text)
            guard !text.contains("\\u") || ours == nil || !(ours ?? []).contains(where: { $0.contains("\u{FFFD}") })
            else { continue }
            let theirs = (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String]
            if theirs != nil, !text.contains("\0") { valid += 1 }
            if let ours { #expect(ours == theirs, "\(text)") }
            if ours == nil, let theirs { Issue.record("refused \(text): \(theirs)") }
        }
        #expect(valid > 1_000)
    }

    @Test("However many messages share a body, they take little more memory than it") func manyEmpty() throws {
        let text = "[" + Array(repeating: "\"\"", count: 100_000).joined(separator: ",") + "]"
        var batch = try MessageDecoder.array(ByteBuffer(string: text))
        var count = 0
        while batch.next() != nil { count += 1 }
        #expect(count == 100_000)
    }
}
