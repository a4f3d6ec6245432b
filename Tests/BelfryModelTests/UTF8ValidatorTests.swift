import BelfryModel
import TestBasics
import Testing

@Suite("UTF8Validator")
struct UTF8ValidatorTests {
    /// What the standard library says of the bytes.
    private static func isUTF8(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

    private static func isValid(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes(UTF8Validator.isValid) }

    /// The verdict when the bytes come in pieces cut at `cuts`.
    private static func isValid(_ bytes: [UInt8], cuts: [Int]) -> Bool {
        var validator = UTF8Validator()
        var start = 0
        for end in cuts + [bytes.count] {
            let piece = Array(bytes[start..<end])
            guard piece.withUnsafeBytes({ validator.consume($0) }) else { return false }
            start = end
        }
        return validator.isComplete
    }

    private static let samples: [[UInt8]] =
        ["", "a", "é", "€", "😀", "a€b", "\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}", "\0", "\u{D7FF}\u{E000}"].map {
            Array($0.utf8)
        }
        + [
            // Cut off.
            [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
            // A continuation without a start, or a start within a character.
            [0x80], [0xBF, 0x61], [0xC3, 0x61], [0xE2, 0x82, 0xC3, 0xA9],
            // Overlong forms.
            [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xF0, 0x80, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF],
            // Surrogates.
            [0xED, 0xA0, 0x80], [0xED, 0xAF, 0xBF], [0xED, 0xB0, 0x80], [0xED, 0xBF, 0xBF],
            // Above U+10FFFF, and bytes that are never there.
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE], [0xFF],
            // Their neighbours, which are characters.
            [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80], [0xF0, 0x90, 0x80, 0x80],
            [0xF4, 0x8F, 0xBF, 0xBF],
        ]

    @Test("It says what the standard library says", arguments: samples)
    func verdict(_ bytes: [UInt8]) {
        #expect(Self.isValid(bytes) == Self.isUTF8(bytes))
        // Also behind ASCII of every length that the fast path treats differently.
        for count in 1...17 {
            let padded = [UInt8](repeating: 0x61, count: count) + bytes + [0x61]
            #expect(Self.isValid(padded) == Self.isUTF8(padded))
        }
    }

    @Test("However the bytes are split", arguments: samples)
    func splits(_ bytes: [UInt8]) {
        let padded = Array("12345678".utf8) + bytes + Array("é".utf8) + bytes
        for first in 0...padded.count {
            for second in first...padded.count {
                #expect(Self.isValid(padded, cuts: [first, second]) == Self.isUTF8(padded))
            }
        }
        #expect(Self.isValid(padded, cuts: Array(0...padded.count)) == Self.isUTF8(padded))
    }

    @Test("All strings of two bytes, and all of three in coarse steps")
    func exhaustive() {
        var wrong = 0
        for first in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max where Self.isValid([first, second]) != Self.isUTF8([first, second]) {
                wrong += 1
            }
        }
        let edges: [UInt8] = [
            0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5,
            0xFF,
        ]
        for first in UInt8(0xE0)...0xFF {
            for second in edges {
                for third in edges {
                    for fourth in edges {
                        let bytes = [first, second, third, fourth]
                        if Self.isValid(bytes) != Self.isUTF8(bytes) { wrong += 1 }
                    }
                }
            }
        }
        #expect(wrong == 0)
    }

    @Test("Random bytes, mostly nearly UTF-8", arguments: UInt64(1)...4)
    func random(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            var bytes = Array(
                String(
                    String.UnicodeScalarView(
                        (0..<Int.random(in: 0...20, using: &generator)).map { _ in
                            let ranges: [ClosedRange<UInt32>] = [
                                0...0x7F, 0x80...0x7FF, 0x800...0xD7FF, 0x10000...0x10FFFF,
                            ]
                            let range = ranges.randomElement(using: &generator) ?? 0...0x7F
                            return Unicode.Scalar(UInt32.random(in: range, using: &generator)) ?? "?"
                        })
                ).utf8)
            if !bytes.isEmpty, Bool.random(using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            #expect(Self.isValid(bytes) == Self.isUTF8(bytes))
            #expect(Self.isValid(bytes, cuts: [cut]) == Self.isUTF8(bytes))
        }
    }
}
