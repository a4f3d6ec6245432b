import BelfryModel
import NIOCore
import STOMP
import TestBasics
import Testing

/// Frames made up at random come back as they were, in every version and however they are split.
@Suite struct RoundTripTests {
    static let pieces = ["a", "B", "7", " ", "-", "é", "号", "🔔", "e\u{301}"]

    /// Pieces that a name or value can hold in this version.
    static func pieces(_ version: ProtocolVersion, isName: Bool) -> [String] {
        switch version {
        case .v10: pieces + (isName ? [] : [":"]) + ["\\"]
        case .v11: pieces + [":", "\\", "\n"]
        case .v12: pieces + [":", "\\", "\n", "\r"]
        }
    }

    static func frame(_ version: ProtocolVersion, using random: inout SeededGenerator) -> Frame {
        let command = Command.allCases.randomElement(using: &random) ?? .send
        // CONNECT and the like are written as in 1.0.
        let version = [.connect, .stomp, .connected].contains(command) ? ProtocolVersion.v10 : version
        var frame = Frame(command)
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            frame.headers.append(
                text(1...12, of: pieces(version, isName: true), using: &random),
                text(0...20, of: pieces(version, isName: false), using: &random))
        }
        if command.mayHaveBody {
            let count = Int.random(in: 0...40, using: &random)
            frame.body = ByteBuffer(bytes: (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
        return frame
    }

    static func text(_ count: ClosedRange<Int>, of pieces: [String], using random: inout SeededGenerator) -> String {
        (0..<Int.random(in: count, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
    }

    /// Every byte of a frame; Swift's `==` takes strings for equal that differ in Unicode composition.
    static func bytes(_ frame: Frame) -> [[UInt8]] {
        [Array(frame.command.rawValue.utf8), Array(frame.body.readableBytesView)]
            + frame.headers.filter { $0.name != "content-length" }.flatMap {
                [Array($0.name.utf8), Array($0.value.utf8)]
            }
    }

    private static func withoutBlanks(_ bytes: [UInt8]) -> [UInt8] {
        let blank = UInt8(ascii: " ")
        return Array(bytes.drop { $0 == blank }.reversed().drop { $0 == blank }.reversed())
    }

    @Test(arguments: ProtocolVersion.allCases) func randomFrames(_ version: ProtocolVersion) {
        var random = SeededGenerator(seed: 1)
        for round in 0..<300 {
            let frames = (0..<3).map { _ in Self.frame(version, using: &random) }
            var buffer = ByteBuffer()
            for frame in frames { FrameEncoder(version: version).encode(frame, into: &buffer) }
            let wire = Array(buffer.readableBytesView)
            let decoded = round < 20 ? decodeEverySplit(wire, version: version) : decode([wire], version: version)
            #expect(decoded.error == nil)
            var expected = frames.map(Self.bytes)
            // What is read of STOMP 1.0 has no blanks at the ends of names and values; the first two are no header's.
            if version == .v10 { expected = expected.map { $0.prefix(2) + $0.dropFirst(2).map(Self.withoutBlanks) } }
            #expect(decoded.frames.map(Self.bytes) == expected, "round \(round)")
        }
    }
}
