import NIOCore
import Testing

@testable import Listening

@Suite struct ProxyHeaderTests {
    /// A header, with `rest` behind its address.
    static func header(
        command: UInt8 = 0x21, family: UInt8 = 0x11, address: [UInt8] = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80],
        rest: [UInt8] = []
    ) -> [UInt8] {
        let length = UInt16(address.count + rest.count)
        return ProxyHeader.signature + [command, family, UInt8(length >> 8), UInt8(length & 0xFF)] + address + rest
    }

    private static let six: [UInt8] =
        [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [7] + [UInt8](repeating: 0, count: 20)

    private func read(_ bytes: [UInt8]) throws -> (header: ProxyHeader?, rest: [UInt8]) {
        var buffer = ByteBuffer(bytes: bytes)
        let header = try ProxyHeader.read(from: &buffer)
        return (header, Array(buffer.readableBytesView))
    }

    @Test func theSourceIsReadAndWhatFollowsIsLeft() throws {
        let behind = Array("GET / HTTP/1.1\r\n".utf8)
        for (header, address) in [
            (Self.header(), "192.0.2.7"), (Self.header(rest: [0x03, 0, 1, 9]), "192.0.2.7"),
            (Self.header(family: 0x21, address: Self.six), "2001:db8::7"), (Self.header(command: 0x20), nil),
            (Self.header(command: 0x20, family: 0, address: []), nil), (Self.header(family: 0, address: []), nil),
            (Self.header(family: 0x31, address: [UInt8](repeating: 0, count: 216)), nil),
        ] as [([UInt8], String?)] {
            let (found, rest) = try read(header + behind)
            #expect(found?.source?.description == address)
            #expect(found != nil && rest == behind)
            for length in 0..<header.count { #expect(try read(Array(header[..<length])).header == nil) }
        }
    }

    @Test(arguments: [
        Array("GET / HTTP/1.1\r\n".utf8), [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0B],
        Array("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n".utf8), [0x0D, 0x0A, 0x0A], [0x16, 0x03, 0x01],
    ])
    func whatBeginsOtherwiseIsNone(_ bytes: [UInt8]) {
        #expect(throws: ProxyHeader.Failure.noHeader) { try read(bytes) }
    }

    @Test(arguments: [
        header(command: 0x11), header(command: 0x31), header(command: 0x22), header(family: 0x12),
        header(family: 0x22, address: six), header(family: 0x13), header(family: 0x41), header(address: [1, 2, 3]),
        header(family: 0x21), header(address: []),
    ])
    func whatIsNotOfTheProtocolIsFaulty(_ bytes: [UInt8]) {
        #expect(throws: ProxyHeader.Failure.faulty) { try read(bytes) }
    }

    @Test func aHeaderHasABound() throws {
        let most = ProxyHeader.bytesMax - 16 - 12
        #expect(try read(Self.header(rest: [UInt8](repeating: 0, count: most))).header != nil)
        #expect(throws: ProxyHeader.Failure.tooLong) {
            try read(Self.header(rest: [UInt8](repeating: 0, count: most + 1)))
        }
        // Told by its length alone.
        #expect(throws: ProxyHeader.Failure.tooLong) { try read(ProxyHeader.signature + [0x21, 0x11, 0xFF, 0xFF]) }
    }

    /// Bytes that are nearly a header, cut anywhere: each is read to an answer, and nothing is read twice.
    @Test func nearlyHeadersAreAnswered() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = Self.header(family: Bool.random() ? 0x11 : 0x21, address: Bool.random() ? Self.six : [1])
            for _ in 0..<Int.random(in: 0...4) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255)
            }
            var buffer = ByteBuffer(bytes: bytes.prefix(Int.random(in: 0...bytes.count)))
            let before = buffer.readableBytes
            let header = try? ProxyHeader.read(from: &buffer)
            #expect(header != nil || buffer.readableBytes == before)
        }
    }
}
