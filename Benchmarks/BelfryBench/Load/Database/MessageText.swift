import CLinux
import Glibc

/// The content of numbered messages: the same bytes for Belfry and for a floor.
enum MessageText {
    /// What follows the number, so that a content has about 100 bytes, as a notification's text does.
    static let filler = String(repeating: "The printer on floor three is out of paper. ", count: 2)
    private static let digits = 10

    /// The content of a message: ten digits, a space, the filler.
    static func content(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text + " " + filler
    }

    /// The expression that makes the same content in SQL of an expression for the number, without quotes around it.
    static func sqlContent(_ number: String) -> String {
        "lpad((\(number))::text, \(digits), '0') || ' \(filler)'"
    }

    /// A finished body as a floor's writer makes it, of the members that Belfry's has.
    static func body(_ number: Int, receiver: String) -> String {
        #"{"id":"\#(number)","type":"STRING_MSG","receiver":"\#(receiver)","data":"\#(content(number))","#
            + #""viewed":false}"#
    }

    private static let before = Array(#""data":""#.utf8)
    private static let after = Array((" " + filler + "\"").utf8)

    /// The number in a body, wherever it stands in `bytes`; nil when that holds no content that is as it was sent.
    static func number(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress, let found = memmem(start, bytes.count, before, before.count) else {
            return nil
        }
        let offset = start.distance(to: UnsafeRawPointer(found)) + before.count
        guard bytes.count - offset >= digits + after.count else { return nil }
        var number = 0
        for byte in bytes[offset..<(offset + digits)] {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            number = number * 10 + Int(byte - 0x30)
        }
        let isWhole = memcmp(start + offset + digits, after, after.count) == 0
        return isWhole ? number : nil
    }
}
