import Foundation

/// The context of a trace that an application has put into a message's headers: W3C Trace Context, `traceparent` and
/// `tracestate`.
public struct TraceParent: Hashable, Sendable {
    /// 128 bits, not all zero.
    public let traceHigh: UInt64
    public let traceLow: UInt64
    /// The application's span, under which those of Belfry belong; not zero.
    public let span: UInt64
    /// Of the flags those that are defined: sampled (1), and a trace's id by chance (2, Trace Context level 2).
    public let flags: UInt8
    /// The value of `tracestate`, as it was written; `nil` without one.
    public var state: String?

    /// The bytes of a value of version 00, and at least as many of a later version.
    private static let bytes = 55

    /// Reads the value of a `traceparent`; `nil` for one that is not valid, which is as good as none ("Trace Context",
    /// 3.2.2 and 4.3).
    public init?(_ text: some Sequence<UInt8>) {
        let parent = Array(text.prefix(512)).withUnsafeBytes { TraceParent(value: $0) }
        guard let parent else { return nil }
        self = parent
    }

    private init?(value text: UnsafeRawBufferPointer) {
        let dash = UInt8(ascii: "-")
        guard text.count >= Self.bytes, text[2] == dash, text[35] == dash, text[52] == dash,
            let version = Self.number(text, 0..<2), version != 0xFF,
            text.count == Self.bytes || version > 0 && text[Self.bytes] == dash,
            let high = Self.number(text, 3..<19), let low = Self.number(text, 19..<35), high | low != 0,
            let span = Self.number(text, 36..<52), span != 0, let flags = Self.number(text, 53..<55)
        else { return nil }
        traceHigh = high
        traceLow = low
        self.span = span
        self.flags = UInt8(flags & 3)
    }

    /// Finds it in a message's header lines, escaped as in STOMP 1.2 and each ended by a line feed.
    public init?(inHeaderLines lines: UnsafeRawBufferPointer) {
        guard let value = Self.value(of: "traceparent:", in: lines) else { return nil }
        self.init(value: value)
        state = Self.value(of: "tracestate:", in: lines).flatMap { $0.isEmpty ? nil : Self.unescaped($0) }
    }

    /// The same, if it is sampled: most are not, and that is seen from one digit.
    init?(sampledInHeaderLines lines: UnsafeRawBufferPointer) {
        guard let value = Self.value(of: "traceparent:", in: lines), value.count >= Self.bytes,
            let flags = Self.number(value, (Self.bytes - 1)..<Self.bytes), flags & 1 != 0
        else { return nil }
        self.init(inHeaderLines: lines)
    }

    /// Whether the trace is recorded by who began it.
    public var isSampled: Bool { flags & 1 != 0 }

    /// 32 hexadecimal digits.
    public var traceID: String { Self.digits(traceHigh) + Self.digits(traceLow) }
    /// 16 hexadecimal digits.
    public var spanID: String { Self.digits(span) }

    /// A number as 16 hexadecimal digits.
    public static func digits(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    /// Of lower-case hexadecimal digits only.
    private static func number(_ text: UnsafeRawBufferPointer, _ digits: Range<Int>) -> UInt64? {
        var number: UInt64 = 0
        for place in digits {
            let digit = text[place]
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
            default: return nil
            }
            number = number << 4 | UInt64(value)
        }
        return number
    }

    /// The value of the first line with that name and its colon.
    private static func value(of name: StaticString, in lines: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard var start = lines.baseAddress else { return nil }
        let (end, count) = (start + lines.count, name.utf8CodeUnitCount)
        while start < end {
            let lineEnd = memchr(start, 0x0A, end - start).map { UnsafeRawPointer($0) } ?? end
            if lineEnd - start >= count, memcmp(start, name.utf8Start, count) == 0 {
                return UnsafeRawBufferPointer(start: start + count, count: lineEnd - start - count)
            }
            start = lineEnd + 1
        }
        return nil
    }

    /// STOMP 1.2, "Value Encoding".
    private static func unescaped(_ value: UnsafeRawBufferPointer) -> String {
        var bytes: [UInt8] = []
        var isEscape = false
        for byte in value {
            if !isEscape, byte == UInt8(ascii: "\\") {
                isEscape = true
                continue
            }
            switch (isEscape, byte) {
            case (true, UInt8(ascii: "c")): bytes.append(UInt8(ascii: ":"))
            case (true, UInt8(ascii: "n")), (true, UInt8(ascii: "r")): bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
            isEscape = false
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
