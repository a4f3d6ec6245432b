import NIOCore
import TestBasics
import Testing

@testable import WebSocket

/// What is compressed for a peer, and that it inflates to what it was.
@Suite("WebSocketCompression")
struct WebSocketCompressionTests {
    private static func agreed(offer: String = "permessage-deflate", messageBytesMin: Int = 256) throws
        -> WebSocketCompression.Agreed
    {
        let extensions = try #require(WebSocketExtension.list(parsing: offer))
        return WebSocketCompression.Agreed(
            WebSocketCompression(WebSocketCompression.Options(messageBytesMin: messageBytesMin)),
            by: try #require(PerMessageDeflate(offered: extensions)))
    }

    private static func write(_ messages: [[UInt8]], by agreed: WebSocketCompression.Agreed?) -> [UInt8] {
        var output = WebSocketOutput(compression: agreed)
        for message in messages {
            output.append(byteCount: message.count, isText: true) { $0.writeBytes(message) }
        }
        return output.take(isOpen: true).map { Array($0.readableBytesView) } ?? []
    }

    /// The payload of the one short frame that was written.
    private static func inflate(_ frame: [UInt8]) throws -> [UInt8] {
        let headerBytes = frame[1] < 126 ? 2 : frame[1] == 126 ? 4 : 10
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: MessageInflater.pieceBytesMax, alignment: 16)
        defer { scratch.deallocate() }
        let inflater = try #require(MessageInflater(scratch: scratch))
        inflater.feed(ByteBuffer(bytes: frame[headerBytes...]), isLast: true)
        var bytes: [UInt8] = []
        while true {
            switch inflater.next() {
            case .bytes(let piece): bytes += Array(piece.readableBytesView)
            case .end(let piece): return bytes + Array(piece.readableBytesView)
            case .failed(let reason): throw Failed(reason: "\(reason)")
            }
        }
    }

    private struct Failed: Error { let reason: String }

    private static let json = Array(
        (0..<20).map { #"{"id":\#($0),"type":"ORDER_SHIPPED","receiver":"alice"}"# }.joined(separator: ",").utf8)

    @Test("A message from the smallest size on is compressed, a shorter one is not")
    func smallest() throws {
        let agreed = try Self.agreed()
        let at = Self.write([[UInt8](repeating: 0x61, count: 256)], by: agreed)
        #expect(at[0] == 0xC1)
        #expect(at.count < 20)
        let below = [UInt8](repeating: 0x61, count: 255)
        #expect(Self.write([below], by: agreed) == Self.write([below], by: nil))
    }

    @Test("What would grow goes as it is")
    func incompressible() throws {
        var numbers = SeededGenerator(seed: 1)
        let noise = (0..<1_000).map { _ in UInt8.random(in: 0...255, using: &numbers) }
        #expect(Self.write([noise], by: try Self.agreed()) == Self.write([noise], by: nil))
    }

    @Test("The same message is the same each time, whatever went before: no context is taken over")
    func noContext() throws {
        let agreed = try Self.agreed()
        let once = Self.write([Self.json], by: agreed)
        #expect(once.count < Self.json.count / 3)
        #expect(Self.write([Self.json, Self.json], by: agreed) == once + once)
        #expect(try Self.inflate(once) == Self.json)
    }

    @Test("A message never refers further back than was agreed", arguments: 8...15)
    func window(_ bits: Int) throws {
        let agreed = try Self.agreed(offer: "permessage-deflate; server_max_window_bits=\(bits)")
        for period in [200, 250, 257, 500, 513, 1_025, 3_000, 20_000] {
            // Nothing in it repeats but after a period.
            var numbers = SeededGenerator(seed: UInt64(period))
            let unit = (0..<period).map { _ in UInt8.random(in: 0...255, using: &numbers) }
            let frame = Self.write([unit + unit + unit], by: agreed)
            // It is shorter only if it refers back by a period.
            if frame[0] == 0xC1 { #expect(period <= 1 << bits, "period \(period)") }
            if period == 200 || bits == 15 && period <= 20_000 { #expect(frame[0] == 0xC1, "period \(period)") }
        }
    }

    @Test("Large messages, too", arguments: [16_384, 65_535, 65_536, 1_000_000])
    func large(_ count: Int) throws {
        let message = (0..<count).map { UInt8(truncatingIfNeeded: 0x20 + $0 % 60 + $0 / 1000 % 30) }
        let frame = Self.write([message], by: try Self.agreed())
        #expect(frame[0] == 0xC1)
        #expect(try Self.inflate(frame) == message)
    }
}
