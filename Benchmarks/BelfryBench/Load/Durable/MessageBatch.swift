import CLinux
import Glibc

/// A batch of messages to random users: what an application's transaction would hold.
///
/// A message's text is its number in 12 digits and padding, so that what arrives can be checked.
struct MessageBatch {
    /// Bytes of a message's text.
    static let textBytes = 100

    private let users: Int
    private var random: UInt64
    private var receivers: [Int32] = []
    private(set) var first = 0
    private let names: [[UInt8]]

    /// - Parameters:
    ///   - names: the users' ids, without characters that SQL, JSON or STOMP would escape.
    ///   - seed: another one for each writer.
    init(names: [[UInt8]], seed: Int) {
        self.names = names
        self.users = names.count
        self.random = UInt64(truncatingIfNeeded: seed &+ 1) &* 0x9E37_79B9_7F4A_7C15
    }

    /// How many messages.
    var count: Int { receivers.count }

    /// Becomes the batch of the messages numbered `first`… .
    mutating func fill(first: Int, count: Int) {
        self.first = first
        receivers.removeAll(keepingCapacity: true)
        for _ in 0..<count {
            // xorshift64*: random enough, and cheap.
            random ^= random >> 12
            random ^= random << 25
            random ^= random >> 27
            receivers.append(Int32((random &* 0x2545_F491_4F6C_DD1D) >> 33) % Int32(users))
        }
    }

    /// The id of a message's user.
    func receiver(_ row: Int) -> [UInt8] { names[Int(receivers[row])] }

    /// The first message's user and text.
    var values: [String] {
        var text: [UInt8] = []
        appendText(0, to: &text)
        return [String(decoding: receiver(0), as: UTF8.self), String(decoding: text, as: UTF8.self)]
    }

    /// All users and all texts, as PostgreSQL writes arrays.
    var arrays: [String] {
        var receivers: [UInt8] = [UInt8(ascii: "{")]
        var texts = receivers
        receivers.reserveCapacity(count * 16)
        texts.reserveCapacity(count * (Self.textBytes + 1) + 2)
        for row in 0..<count {
            if row > 0 {
                receivers.append(UInt8(ascii: ","))
                texts.append(UInt8(ascii: ","))
            }
            receivers += receiver(row)
            appendText(row, to: &texts)
        }
        receivers.append(UInt8(ascii: "}"))
        texts.append(UInt8(ascii: "}"))
        return [String(decoding: receivers, as: UTF8.self), String(decoding: texts, as: UTF8.self)]
    }

    /// Appends a message's text.
    func appendText(_ row: Int, to bytes: inout [UInt8]) {
        Self.appendNumber(first + row, to: &bytes)
        bytes += Self.padding
    }

    /// Appends a body as Belfry sends it.
    func appendBody(_ row: Int, to bytes: inout [UInt8]) {
        bytes += "{\"id\":\"".utf8
        Self.appendNumber(first + row, to: &bytes)
        bytes += "\",\"type\":\"STRING_MSG\",\"receiver\":\"".utf8
        bytes += receiver(row)
        bytes += "\",\"data\":\"".utf8
        appendText(row, to: &bytes)
        bytes += "\",\"viewed\":false,\"created\":1700000000000}".utf8
    }

    /// The number of the message whose body this is; nil when the text is not one of ours, or was changed.
    static func number(in body: UnsafeRawBufferPointer) -> Int? {
        guard let base = body.baseAddress, let found = memmem(base, body.count, mark, mark.count) else { return nil }
        let start = base.distance(to: UnsafeRawPointer(found)) + mark.count
        guard start + textBytes < body.count, body[start + textBytes] == UInt8(ascii: "\"") else { return nil }
        guard memcmp(base + start + 12, padding, padding.count) == 0 else { return nil }
        var number = 0
        for byte in body[start..<start + 12] {
            guard byte >= 48, byte <= 57 else { return nil }
            number = number * 10 + Int(byte - 48)
        }
        return number
    }

    /// Whether a received body holds these bytes.
    static func contains(_ bytes: [UInt8], in body: UnsafeRawBufferPointer) -> Bool {
        body.baseAddress.map { memmem($0, body.count, bytes, bytes.count) != nil } ?? false
    }

    private static let mark = Array("\"data\":\"".utf8)
    private static let padding = [UInt8](repeating: UInt8(ascii: "x"), count: textBytes - 12)

    private static func appendNumber(_ number: Int, to bytes: inout [UInt8]) {
        var divisor = 100_000_000_000
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }
}
