import CLinux
import Glibc

/// The body of a measured message: a JSON object of fixed length that carries a number and the time of its sending,
/// as text of fixed width, so that both are patched in place.
struct Payload: Sendable {
    private static let numberMark = Array("\"n\":\"".utf8)
    private static let timeMark = Array("\"t\":\"".utf8)
    /// As PostgreSQL's jsonb prints them.
    private static let spacedNumberMark = Array("\"n\": \"".utf8)
    private static let spacedTimeMark = Array("\"t\": \"".utf8)
    private static let numberDigits = 12
    private static let timeDigits = 20

    /// The bytes; valid JSON at any time.
    private(set) var bytes: [UInt8]
    private let numberStart: Int
    private let timeStart: Int

    /// A payload of exactly `length` bytes, 80 at least.
    init(length: Int) {
        let head =
            Self.numberMark + [UInt8](repeating: 48, count: Self.numberDigits) + Array("\",".utf8)
            + Self.timeMark + [UInt8](repeating: 48, count: Self.timeDigits) + Array("\",\"text\":\"".utf8)
        let text = max(0, length - head.count - 3)
        numberStart = 1 + Self.numberMark.count
        timeStart = numberStart + Self.numberDigits + 2 + Self.timeMark.count
        bytes = [UInt8(ascii: "{")] + head + [UInt8](repeating: UInt8(ascii: "x"), count: text) + Array("\"}".utf8)
    }

    /// Writes a message's number and its time of sending, in nanoseconds of `MonotonicClock`.
    mutating func stamp(number: Int, nanoseconds: UInt64) {
        Self.write(UInt64(number), digits: Self.numberDigits, at: numberStart, into: &bytes)
        Self.write(nanoseconds, digits: Self.timeDigits, at: timeStart, into: &bytes)
    }

    private static func write(_ value: UInt64, digits: Int, at start: Int, into bytes: inout [UInt8]) {
        var rest = value
        for place in stride(from: start + digits - 1, through: start, by: -1) {
            bytes[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    /// The time of sending in a received body, wherever in it the payload is; nil when there is none.
    static func sentNanoseconds(in body: UnsafeRawBufferPointer) -> UInt64? {
        number(after: timeMark, digits: timeDigits, in: body)
            ?? number(after: spacedTimeMark, digits: timeDigits, in: body)
    }

    /// The number in a received body; nil when there is none.
    static func number(in body: UnsafeRawBufferPointer) -> Int? {
        let number =
            number(after: numberMark, digits: numberDigits, in: body)
            ?? number(after: spacedNumberMark, digits: numberDigits, in: body)
        return number.flatMap { Int(exactly: $0) }
    }

    private static func number(after mark: [UInt8], digits: Int, in body: UnsafeRawBufferPointer) -> UInt64? {
        guard let base = body.baseAddress, let found = memmem(base, body.count, mark, mark.count) else { return nil }
        let start = base.distance(to: UnsafeRawPointer(found)) + mark.count
        guard start + digits <= body.count else { return nil }
        var value: UInt64 = 0
        for byte in body[start..<start + digits] {
            guard byte >= 48, byte <= 57 else { return nil }
            value = value &* 10 &+ UInt64(byte - 48)
        }
        return value
    }

    /// Whether a received body is these bytes but for the stamps.
    func matches(_ body: UnsafeRawBufferPointer) -> Bool {
        guard let base = body.baseAddress, body.count == bytes.count else { return false }
        let tail = timeStart + Self.timeDigits
        return bytes.withUnsafeBufferPointer { own in
            guard let ours = own.baseAddress else { return false }
            return memcmp(base, ours, numberStart) == 0 && memcmp(base + tail, ours + tail, own.count - tail) == 0
        }
    }
}
