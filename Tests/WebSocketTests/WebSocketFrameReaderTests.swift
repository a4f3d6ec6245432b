import NIOCore
import NIOEmbedded
import NIOWebSocket
import TestBasics
import Testing
import WebSocketSupport

@testable import WebSocket

@Suite("WebSocketFrameReader")
struct WebSocketFrameReaderTests {
    private static let payloadBytesMax = 70_000

    /// What of a frame matters.
    private struct Seen: Equatable {
        let firstByte: UInt8
        let isMasked: Bool
        var payload: [UInt8]
    }

    /// Whole frames only, put together of their parts.
    private static func read(_ parts: [[UInt8]]) -> (frames: [Seen], failure: WebSocketFrameReader.Failure?) {
        var reader = WebSocketFrameReader(payloadBytesMax: payloadBytesMax)
        var frames: [Seen] = []
        var open: Seen?
        do throws(WebSocketFrameReader.Failure) {
            for part in parts {
                reader.feed(ByteBuffer(bytes: part))
                while let part = try reader.next() {
                    #expect(part.isFirst == (open == nil))
                    var frame = open ?? Seen(firstByte: part.firstByte, isMasked: part.isMasked, payload: [])
                    #expect(part.isFirst || part.payload.readableBytes > 0, "a part that goes on brings something")
                    frame.payload += Array(part.payload.readableBytesView)
                    open = part.isLast ? nil : frame
                    if part.isLast { frames.append(frame) }
                }
            }
            return (frames, nil)
        } catch {
            return (frames, error)
        }
    }

    /// The same by NIO's decoder.
    private static func readByNIO(_ bytes: [UInt8]) throws -> (frames: [Seen], isBroken: Bool) {
        let channel = EmbeddedChannel(
            handler: ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: payloadBytesMax)))
        var isBroken = false
        do { try channel.writeInbound(ByteBuffer(bytes: bytes)) } catch { isBroken = true }
        var frames: [Seen] = []
        while let frame = try channel.readInbound(as: WebSocketFrame.self) {
            let bits: [(Bool, UInt8)] = [
                (frame.fin, 0x80), (frame.rsv1, 0x40), (frame.rsv2, 0x20), (frame.rsv3, 0x10),
            ]
            let firstByte = bits.reduce(UInt8(webSocketOpcode: frame.opcode)) { $1.0 ? $0 | $1.1 : $0 }
            frames.append(
                Seen(
                    firstByte: firstByte, isMasked: frame.maskKey != nil,
                    payload: Array(frame.unmaskedData.readableBytesView)))
        }
        _ = try? channel.finish()
        return (frames, isBroken)
    }

    @Test("Frames of every kind of length, split anywhere")
    func splits() {
        for length in [0, 1, 7, 8, 9, 125, 126, 127, 300] {
            let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 7) }
            let bytes =
                ClientFrames.frame(.binary, payload) + ClientFrames.frame(.text, [0x0A])
                + ClientFrames.frame(.binary, payload, fin: false, isMasked: false, rsv1: true)
            let whole = [
                Seen(firstByte: 0x82, isMasked: true, payload: payload),
                Seen(firstByte: 0x81, isMasked: true, payload: [0x0A]),
                Seen(firstByte: 0x42, isMasked: false, payload: payload),
            ]
            for split in 0...bytes.count {
                #expect(Self.read([Array(bytes[..<split]), Array(bytes[split...])]).frames == whole)
            }
            #expect(Self.read(bytes.map { [$0] }).frames == whole)
        }
    }

    @Test("What has come of a data frame is handed over, a control frame only whole")
    func parts() throws {
        var reader = WebSocketFrameReader(payloadBytesMax: Self.payloadBytesMax)
        let text = ClientFrames.frame(.text, Array("hello".utf8))
        reader.feed(ByteBuffer(bytes: text[..<8]))
        #expect(try reader.next()?.payload == ByteBuffer(string: "he"))
        #expect(try reader.next() == nil)
        reader.feed(ByteBuffer(bytes: text[8...]))
        let rest = try #require(try reader.next())
        #expect(rest.payload == ByteBuffer(string: "llo"))
        #expect(rest.isLast && !rest.isFirst && rest.endsMessage)
        let ping = ClientFrames.frame(.ping, Array("hello".utf8))
        reader.feed(ByteBuffer(bytes: ping[..<10]))
        #expect(try reader.next() == nil)
        reader.feed(ByteBuffer(bytes: ping[10...]))
        #expect(try reader.next()?.payload == ByteBuffer(string: "hello"))
    }

    @Test("A frame may be as long as the bound, and no longer; the length is enough to tell")
    func bound() {
        let longest = [UInt8](repeating: 9, count: Self.payloadBytesMax)
        #expect(Self.read([ClientFrames.frame(.binary, longest)]).frames.first?.payload == longest)
        #expect(Self.read([Array(ClientFrames.frame(.binary, longest + [9]).prefix(10))]).failure == .tooLong)
        let absurd: [UInt8] = [0x82, 0xFF, 0x7F] + [UInt8](repeating: 0xFF, count: 7)
        #expect(Self.read([absurd]).failure == .tooLong)
    }

    @Test(
        "A length is written in the fewest bytes, and has 63 bits",
        arguments: [
            [0xFE, 0, 125], [0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], [0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0],
        ] as [[UInt8]])
    func lengths(_ bytes: [UInt8]) {
        #expect(Self.read([[0x82] + bytes]).failure == .length)
    }

    @Test("A control frame is whole and short", arguments: [WebSocketOpcode.ping, .pong, .connectionClose])
    func controlFrames(_ opcode: WebSocketOpcode) {
        #expect(Self.read([ClientFrames.frame(opcode, [UInt8](repeating: 1, count: 125))]).frames.count == 1)
        #expect(Self.read([ClientFrames.frame(opcode, [UInt8](repeating: 1, count: 126))]).failure == .controlFrame)
        #expect(Self.read([ClientFrames.frame(opcode, [1], fin: false)]).failure == .controlFrame)
    }

    @Test("Of any bytes it makes what NIO's decoder makes", arguments: 0..<300)
    func sameAsNIO(_ seed: Int) throws {
        var numbers = SeededGenerator(seed: UInt64(seed))
        var bytes: [UInt8] = []
        for _ in 0..<8 {
            var frame = ClientFrames.frame(
                .binary, (0..<Int.random(in: 0...200, using: &numbers)).map { UInt8($0) },
                isMasked: Bool.random(using: &numbers))
            // Every other seed has something wrong somewhere.
            if seed % 2 == 1 { frame[Int.random(in: 0..<min(4, frame.count), using: &numbers)] ^= 1 << 3 }
            bytes += frame
        }
        let (theirs, isBroken) = try Self.readByNIO(bytes)
        var parts: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...100, using: &numbers)
            parts.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        let ours = Self.read(parts)
        // NIO takes lengths that are longer than they need be.
        if ours.failure == .length { return #expect(ours.frames == Array(theirs.prefix(ours.frames.count))) }
        #expect(ours.frames == theirs)
        #expect((ours.failure != nil) == isBroken)
    }
}
