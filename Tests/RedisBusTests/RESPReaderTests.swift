import Bus
import NIOCore
import Testing

@testable import RedisBus

struct RESPReaderTests {
    private let stream =
        "*3\r\n$9\r\nsubscribe\r\n$14\r\nbelfry:u:alice\r\n:1\r\n"
        + "*3\r\n$7\r\nmessage\r\n$3\r\nch1\r\n$5\r\na\r\nbc\r\n"
        + "+PONG\r\n" + ":-42\r\n" + "-ERR no\r\n" + "$-1\r\n" + "*-1\r\n" + "$0\r\n\r\n" + "*0\r\n"
        + "*2\r\n*2\r\n:1\r\n$1\r\nx\r\n*1\r\n$-1\r\n"

    private let expected: [RESPValue] = [
        .array([.bulk("subscribe"), .bulk("belfry:u:alice"), .integer(1)]),
        .array([.bulk("message"), .bulk("ch1"), .bulk("a\r\nbc")]),
        .simpleString(ByteBuffer(string: "PONG")), .integer(-42), .error("ERR no"), .null, .null, .bulk(""),
        .array([]), .array([.array([.integer(1), .bulk("x")]), .array([.null])]),
    ]

    @Test func everySplitInTwoGivesTheSame() throws {
        let bytes = Array(stream.utf8)
        for split in 0...bytes.count {
            let reader = try RESPReader()
            let first = try reader.read(ByteBuffer(bytes: bytes[..<split]))
            let second = try reader.read(ByteBuffer(bytes: bytes[split...]))
            #expect(first + second == expected, "split at \(split)")
        }
    }

    @Test(arguments: [1, 2, 3, 7])
    func pieceByPieceGivesTheSame(size: Int) throws {
        let bytes = Array(stream.utf8)
        let reader = try RESPReader()
        var values: [RESPValue] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            values += try reader.read(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
        }
        #expect(values == expected)
    }

    @Test func aLargeStringInPiecesArrivesWhole() throws {
        let payload = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let bytes = Array("*2\r\n$2\r\nab\r\n$\(payload.count)\r\n".utf8) + payload + Array("\r\n:5\r\n".utf8)
        let reader = try RESPReader()
        var values: [RESPValue] = []
        for start in stride(from: 0, to: bytes.count, by: 65_536) {
            values += try reader.read(ByteBuffer(bytes: bytes[start..<min(start + 65_536, bytes.count)]))
        }
        #expect(values == [.array([.bulk("ab"), .bulkString(ByteBuffer(bytes: payload))]), .integer(5)])
    }

    @Test func valuesOutliveTheReaderAndLaterReads() throws {
        var kept: [RESPValue] = []
        do {
            let reader = try RESPReader()
            for number in 0..<100 { kept += try reader.read(ByteBuffer(string: "$3\r\n\(100 + number)\r\n")) }
        }
        #expect(kept == (0..<100).map { .bulk("\(100 + $0)") })
    }

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n\r\n", "$x\r\n", "$-5\r\n", "*-7\r\n", "$99999999999999999999999\r\n",
        "\u{15}\u{3}\u{1}\0\u{2}", "*1025\r\n", "*2147483647\r\n", "*9223372036854775807\r\n", ":1x\r\n",
        String(repeating: "*1\r\n", count: 20),
    ])
    func whatIsNotTheProtocolIsRefused(text: String) throws {
        let reader = try RESPReader()
        let error = #expect(throws: BusError.self) { _ = try reader.read(ByteBuffer(string: text)) }
        #expect(error?.code == .protocolViolation)
    }

    @Test func anUnfinishedReplyIsBounded() throws {
        let reader = try RESPReader()
        _ = try reader.read(ByteBuffer(string: "$500000000\r\n"))
        let piece = ByteBuffer(repeating: 0, count: 1024 * 1024)
        let error = #expect(throws: BusError.self) {
            for _ in 0..<20 { _ = try reader.read(piece) }
        }
        #expect(error?.code == .protocolViolation)
    }

    @Test func anUnfinishedArrayOfStringsIsBounded() throws {
        let reader = try RESPReader()
        _ = try reader.read(ByteBuffer(string: "*1000\r\n"))
        var piece = ByteBuffer(string: "$1048576\r\n")
        piece.writeRepeatingByte(7, count: 1024 * 1024)
        piece.writeString("\r\n")
        #expect(throws: BusError.self) {
            for _ in 0..<20 { _ = try reader.read(piece) }
        }
    }

    @Test func randomBytesNeverTrap() throws {
        let alphabet = Array("*$+-:0123456789\r\n\r\n\r\nab\0\u{ff}".utf8)
        for _ in 0..<5_000 {
            let reader = try RESPReader()
            for _ in 0..<4 {
                let bytes = (0..<Int.random(in: 0...40)).map { _ in alphabet.randomElement() ?? 0 }
                guard (try? reader.read(ByteBuffer(bytes: bytes))) != nil else { break }
            }
        }
    }
}

extension RESPValue {
    static func bulk(_ text: String) -> RESPValue { .bulkString(ByteBuffer(string: text)) }
}
