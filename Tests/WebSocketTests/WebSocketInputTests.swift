import BelfryModel
import NIOCore
import NIOWebSocket
import TestBasics
import Testing
import WebSocketSupport

@testable import WebSocket

/// Compressed messages from a peer (RFC 7692), and messages in very many parts.
@Suite("WebSocketInput")
struct WebSocketInputTests {
    private static let compression = WebSocketCompression(WebSocketCompression.Options())
    /// "Hello" (RFC 7692, section 7.2.3.1).
    private static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

    /// What came of some bytes: whole messages, and the first failure.
    private struct Seen: Equatable {
        var messages: [[UInt8]] = []
        var failure: CloseReason?
        var pongs = 0
    }

    private static func read(
        _ parts: [[UInt8]], messageBytesMax: Int = 100_000, isCompressed: Bool = true
    ) -> Seen {
        var input = WebSocketInput(messageBytesMax: messageBytesMax, compression: isCompressed ? compression : nil)
        var assembler = WebSocketMessageAssembler()
        var seen = Seen()
        for part in parts {
            input.feed(ByteBuffer(bytes: part))
            while let event = input.next() {
                switch event {
                case .deliver(let part):
                    if let message = assembler.add(part) { seen.messages.append(Array(message.readableBytesView)) }
                case .fail(let reason): seen.failure = reason
                case .pong: seen.pongs += 1
                case .none, .answerClose, .closeTransport: break
                }
            }
        }
        return seen
    }

    private static func compressed(_ payload: [UInt8], opcode: WebSocketOpcode = .text, fin: Bool = true) -> [UInt8] {
        ClientFrames.frame(opcode, payload, fin: fin, rsv1: true)
    }

    private static func deflate(_ bytes: [UInt8]) -> [UInt8] {
        var output = ByteBuffer()
        let deflater = MessageDeflater(level: 6, windowBits: 15, memoryLevel: 8)
        #expect(deflater?.deflate(ByteBuffer(bytes: bytes), into: &output) == true)
        return Array(output.readableBytesView)
    }

    // MARK: The examples of RFC 7692

    @Test(
        "What RFC 7692 shows of 'Hello', in every split",
        arguments: [
            [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
            // Not compressed, 7.2.3.3; a final block and an empty one behind it, 7.2.3.4; two blocks, 7.2.3.5.
            [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
            [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
            [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
        ] as [[UInt8]])
    func hello(_ payload: [UInt8]) {
        let expected = Seen(messages: [Array("Hello".utf8), Array("Hello".utf8)])
        let bytes = Self.compressed(payload) + Self.compressed(payload)
        for split in 0...bytes.count {
            #expect(Self.read([Array(bytes[..<split]), Array(bytes[split...])]) == expected, "split at \(split)")
        }
        #expect(Self.read(bytes.map { [$0] }) == expected)
    }

    @Test("A compressed message in fragments, with a ping between them; the bit stands in the first only")
    func fragments() {
        let first = Self.compressed(Array(Self.hello[..<3]), fin: false)
        let ping = ClientFrames.frame(.ping, [])
        let last = ClientFrames.frame(.continuation, Array(Self.hello[3...]))
        #expect(Self.read([first + ping + last]) == Seen(messages: [Array("Hello".utf8)], pongs: 1))
        let marked = Self.compressed(Array(Self.hello[3...]), opcode: .continuation)
        #expect(Self.read([first + marked]).failure == .protocolViolation)
        #expect(Self.read([Self.compressed([], opcode: .ping)]).failure == .protocolViolation)
    }

    @Test("Compressed messages and others in turn; each owes nothing to the one before")
    func mixed() {
        let text = Array(String(repeating: "abc ", count: 500).utf8)
        let bytes =
            Self.compressed(Self.deflate(text)) + ClientFrames.frame(.text, text)
            + Self.compressed(Self.deflate(text), opcode: .binary) + Self.compressed([])
            + Self.compressed([0x00])
        #expect(Self.read([bytes]) == Seen(messages: [text, text, text, [], []]))
    }

    @Test("Without an agreement the bit is a violation")
    func notAgreed() {
        #expect(Self.read([Self.compressed(Self.hello)], isCompressed: false).failure == .protocolViolation)
    }

    // MARK: What is wrong

    @Test("Text must be UTF-8 when it is inflated, and is found out before the message has ended")
    func invalidText() {
        let payload = Self.deflate([0x61, 0xFF])
        #expect(Self.read([Self.compressed(payload)]).failure == .invalidUTF8)
        #expect(Self.read([Self.compressed(payload + [0, 0, 0xFF, 0xFF], fin: false)]).failure == .invalidUTF8)
        #expect(Self.read([Self.compressed(Self.deflate([0x61, 0xC3]))]).failure == .invalidUTF8)
        #expect(Self.read([Self.compressed(payload, opcode: .binary)]).messages == [[0x61, 0xFF]])
    }

    @Test(
        "What no DEFLATE makes, or not to its end",
        arguments: [
            [0xFF], [0x07], [0x06, 0x00], [0xF2, 0x48, 0xCD], [0x00, 0x05, 0x00, 0xFA],
            // A reference to what came before the message.
            [0x02, 0x03, 0x11, 0x00],
        ] as [[UInt8]])
    func invalidDeflate(_ payload: [UInt8]) {
        #expect(Self.read([Self.compressed(payload)]).failure == .protocolViolation)
    }

    @Test("Nothing is inherited from the message before, not even by a peer that refers to it")
    func noContext() {
        // The second "Hello" of RFC 7692, section 7.2.3.2, refers to the first.
        let taken = Self.compressed(Self.hello) + Self.compressed([0xF2, 0x00, 0x11, 0x00, 0x00])
        let seen = Self.read([taken])
        #expect(seen.messages == [Array("Hello".utf8)])
        #expect(seen.failure == .protocolViolation)
    }

    @Test("A message may inflate to the bound, and no further, however small it was")
    func bomb() {
        let zeros = [UInt8](repeating: 0, count: 100_000)
        let fits = Self.compressed(Self.deflate(zeros), opcode: .binary)
        #expect(Self.read([fits]) == Seen(messages: [zeros]))
        let over = Self.compressed(Self.deflate(zeros + [0]), opcode: .binary)
        #expect(over.count < 200)
        #expect(Self.read([over]).failure == .frameTooLarge)
    }

    @Test("What comes of a bomb comes in pieces, so that others have their turn between them")
    func pieces() {
        var input = WebSocketInput(messageBytesMax: 10_000_000, compression: Self.compression)
        let bytes = [UInt8](repeating: 0, count: 1_000_000)
        input.feed(ByteBuffer(bytes: Self.compressed(Self.deflate(bytes), opcode: .binary)))
        var largest = 0
        var total = 0
        while let event = input.next() {
            guard case .deliver(let part) = event else { continue }
            largest = max(largest, part.bytes.readableBytes)
            total += part.bytes.readableBytes
        }
        #expect(total == bytes.count)
        #expect(largest <= MessageInflater.pieceBytesMax)
    }

    @Test("Compressed bytes that inflate to nothing are bounded, too")
    func emptyBlocks() {
        let blocks = (0..<3_000).flatMap { _ in [0x00, 0x00, 0x00, 0xFF, 0xFF] as [UInt8] }
        #expect(Self.read([Self.compressed(blocks)], messageBytesMax: 10_000).failure == .frameTooLarge)
        #expect(Self.read([Self.compressed(blocks, fin: false)], messageBytesMax: 10_000).failure == .frameTooLarge)
    }

    // MARK: Very many parts

    @Test("65,536 fragments are one message; what they take grows with their bytes alone")
    func manyFragments() {
        let count = 65_536
        var bytes: [UInt8] = ClientFrames.frame(.binary, [7], fin: false)
        for _ in 0..<(count - 2) { bytes += ClientFrames.frame(.continuation, [7], fin: false) }
        bytes += ClientFrames.frame(.continuation, [7])
        let seen = Self.read([bytes])
        #expect(seen == Seen(messages: [[UInt8](repeating: 7, count: count)]))
    }

    // MARK: Any bytes

    @Test(
        "Compressed messages of any kind, cut anywhere, come as they were; broken ones trap nothing", arguments: 0..<15
    )
    func random(_ seed: Int) {
        var numbers = SeededGenerator(seed: UInt64(seed))
        var bytes: [UInt8] = []
        var messages: [[UInt8]] = []
        for _ in 0..<6 {
            let alphabet = UInt8.random(in: 1...255, using: &numbers)
            let message = (0..<Int.random(in: 0...40_000, using: &numbers)).map { _ in
                UInt8.random(in: 0...alphabet, using: &numbers)
            }
            messages.append(message)
            var rest = Self.deflate(message)[...]
            var isFirst = true
            while isFirst || !rest.isEmpty {
                let part = Array(rest.prefix(Int.random(in: 1...20_000, using: &numbers)))
                rest = rest.dropFirst(part.count)
                bytes += ClientFrames.frame(
                    isFirst ? .binary : .continuation, part, fin: rest.isEmpty, rsv1: isFirst)
                isFirst = false
            }
        }
        var parts: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            parts.append(Array(rest.prefix(Int.random(in: 1...30_000, using: &numbers))))
            rest = rest.dropFirst(parts[parts.count - 1].count)
        }
        #expect(Self.read(parts) == Seen(messages: messages))
        for _ in 0..<20 {
            bytes[Int.random(in: 0..<bytes.count, using: &numbers)] ^= 1 << UInt8.random(in: 0...7, using: &numbers)
        }
        _ = Self.read([bytes])
    }
}
