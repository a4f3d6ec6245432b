import BelfryModel
import NIOCore
import Testing

@testable import Bus

struct EnvelopeTests {
    private static let origin = Envelope.Origin(
        installation: UniqueID(high: 1, low: 2), incarnation: UniqueID(high: 3, low: 4), term: 9)

    private func encoded(
        id: Int64 = 7, xid: UInt64 = 1 << 40, expires: Int64? = nil, isRedelivered: Bool = false, headers: String = "",
        body: String = "{}"
    ) -> ByteBuffer {
        var buffer = ByteBuffer()
        Array(headers.utf8).withUnsafeBytes { headers in
            Array(body.utf8).withUnsafeBytes { body in
                Envelope.encode(
                    origin: Self.origin, id: MessageID(rawValue: id), xid: xid, createdAtMicroseconds: 6,
                    expiresAtMilliseconds: expires, isRedelivered: isRedelivered, headerLines: headers, body: body,
                    into: &buffer)
            }
        }
        return buffer
    }

    @Test(arguments: [nil, 0, -5, 1_700_000_000_000, Int64.max] as [Int64?], ["", "traceparent:00-ab\nx:y\\cz\n"])
    func comesBackAsItWas(expires: Int64?, headers: String) throws {
        let envelope = try Envelope(
            decoding: encoded(id: .max, xid: .max, expires: expires, headers: headers, body: "{\"a\":\"ż\"}"))
        #expect(envelope.id == MessageID(rawValue: .max))
        #expect(envelope.xid == .max)
        #expect(envelope.origin == Self.origin)
        #expect(envelope.createdAtMicroseconds == 6)
        #expect(envelope.expiresAtMilliseconds == expires)
        #expect(String(buffer: envelope.headerLines) == headers)
        #expect(String(buffer: envelope.body) == "{\"a\":\"ż\"}")
    }

    @Test(arguments: [true, false], [nil, 5] as [Int64?])
    func whetherItWasShownBeforeComesBack(isRedelivered: Bool, expires: Int64?) throws {
        let envelope = try Envelope(decoding: encoded(expires: expires, isRedelivered: isRedelivered))
        #expect(envelope.isRedelivered == isRedelivered)
        #expect(envelope.expiresAtMilliseconds == expires)
    }

    @Test func isReadFromTheMiddleOfAnotherBuffer() throws {
        var buffer = ByteBuffer(string: "before")
        var whole = encoded(body: "[1]")
        buffer.writeBuffer(&whole)
        buffer.moveReaderIndex(forwardBy: 6)
        #expect(String(buffer: try Envelope(decoding: buffer).body) == "[1]")
    }

    @Test func isAppendedToWhatTheBufferHolds() throws {
        var buffer = ByteBuffer(string: "x")
        [UInt8]().withUnsafeBytes { empty in
            Envelope.encode(
                origin: Self.origin, id: MessageID(rawValue: 1), xid: 2, createdAtMicroseconds: 3,
                expiresAtMilliseconds: nil, headerLines: empty, body: empty, into: &buffer)
        }
        #expect(buffer.readableBytes == 1 + Envelope.prefixBytes)
        buffer.moveReaderIndex(forwardBy: 1)
        #expect(try Envelope(decoding: buffer).body.readableBytes == 0)
    }

    /// Eight bytes, the most significant first.
    private static func word(_ number: Int) -> [UInt8] {
        (0..<8).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }

    /// The form on the wire: relays and nodes of neighbouring releases read each other.
    @Test func hasTheDocumentedForm() {
        let bytes = Array(encoded(id: 258, xid: 3, expires: 5, headers: "h", body: "bc").readableBytesView)
        #expect(
            bytes == [2, 1] + [1, 2, 3, 4, 9].flatMap(Self.word) + [258, 3, 6, 5].flatMap(Self.word)
                + [0, 0, 0, 1, 0, 0, 0, 2] + Array("hbc".utf8))
    }

    @Test func everyTruncationIsRefused() {
        let whole = encoded(expires: 9, headers: "a:b\n", body: "[1,2]")
        for length in 0..<whole.readableBytes {
            let part = whole.getSlice(at: 0, length: length) ?? ByteBuffer()
            #expect(throws: BusError.self, "\(length) bytes") { try Envelope(decoding: part) }
        }
    }

    @Test func aByteTooManyIsRefused() {
        var buffer = encoded()
        buffer.writeInteger(UInt8(0))
        #expect(throws: BusError.self) { try Envelope(decoding: buffer) }
    }

    @Test(arguments: [
        (0, UInt8(0)), (0, 1), (0, 255),  // versions
        (1, 2), (1, 0x81),  // flags
        (42, 0x80),  // a negative id
        (74, 0xff), (78, 0xff), (81, 0), (81, 3),  // lengths
    ])
    func aWrongByteIsRefused(at index: Int, value: UInt8) {
        var buffer = encoded(expires: 1)
        buffer.setInteger(value, at: index)
        #expect(throws: BusError.self) { try Envelope(decoding: buffer) }
    }

    @Test func lengthsWhoseSumOverflowsAreRefused() {
        var buffer = encoded()
        buffer.setInteger(UInt32.max, at: 74)
        buffer.setInteger(UInt32.max, at: 78)
        #expect(throws: BusError.self) { try Envelope(decoding: buffer) }
    }

    @Test func anUnknownVersionIsNamed() {
        var buffer = encoded()
        buffer.setInteger(UInt8(9), at: 0)
        let error = #expect(throws: BusError.self) { try Envelope(decoding: buffer) }
        #expect(error?.code == .protocolViolation)
        #expect(error?.message.contains("version 9") == true)
    }

    @Test func randomBytesNeverTrap() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var buffer = ByteBuffer()
            let length = Int.random(in: 0...80, using: &generator)
            for _ in 0..<length { buffer.writeInteger(UInt8.random(in: 0...255, using: &generator)) }
            if Bool.random(), length > 0 { buffer.setInteger(Envelope.version, at: 0) }
            _ = try? Envelope(decoding: buffer)
        }
    }

    @Test func randomChangesOfAGoodEnvelopeNeverTrap() {
        for _ in 0..<20_000 {
            var buffer = encoded(expires: 1, headers: "a:b\n", body: "[1,2,3]")
            for _ in 0..<Int.random(in: 1...3) {
                buffer.setInteger(UInt8.random(in: 0...255), at: Int.random(in: 0..<buffer.readableBytes))
            }
            guard let envelope = try? Envelope(decoding: buffer) else { continue }
            #expect(envelope.headerLines.readableBytes + envelope.body.readableBytes == 11)
        }
    }
}
