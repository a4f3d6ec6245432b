import NIOCore

/// Writes text as strings of JSON, and of JavaScript.
enum MessageQuoting {
    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    /// Writes a message as a string of JSON, with what browsers or proxies are known to damage written as escapes:
    /// control characters, U+200C–200F, U+2028–202F, U+2060–206F and U+FFF0–FFFF.
    ///
    /// - Parameter text: UTF-8.
    static func quote(_ text: ByteBuffer, into target: inout ByteBuffer) {
        target.writeInteger(quote)
        text.withUnsafeReadableBytes { bytes in
            escape(bytes, into: &target) { index in
                let byte = bytes[index]
                if byte == quote || byte == backslash || byte < 0x20 { return (1, UInt16(byte)) }
                // Of the others each has three bytes, and these are UTF-8, so that the other two are there.
                guard byte == 0xE2 || byte == 0xEF, index + 2 < bytes.count else { return nil }
                let second = UInt16(bytes[index + 1] & 0x3F) << 6
                let unit = UInt16(byte & 0xF) << 12 | second | UInt16(bytes[index + 2] & 0x3F)
                switch unit {
                case 0x200C...0x200F, 0x2028...0x202F, 0x2060...0x206F, 0xFFF0...0xFFFF: return (3, unit)
                default: return nil
                }
            }
        }
        target.writeInteger(quote)
    }

    /// Writes a frame as a string of JavaScript that may stand in a page: no `</script>` in it ends the script.
    static func quoteForScript(_ payload: ByteBuffer, into target: inout ByteBuffer) {
        target.writeInteger(quote)
        payload.withUnsafeReadableBytes { bytes in
            escape(bytes, into: &target) { index in
                let byte = bytes[index]
                let isPlain = byte >= 0x20 && byte != quote && byte != backslash && byte != UInt8(ascii: "<")
                return isPlain ? nil : (1, UInt16(byte))
            }
        }
        target.writeInteger(quote)
    }

    /// Copies bytes, with an escape in the place of each of those that `find` returns one for.
    ///
    /// - Parameter find: how many bytes at an index are one code unit to be escaped, and which; `nil` for none.
    private static func escape(
        _ bytes: UnsafeRawBufferPointer, into target: inout ByteBuffer,
        find: (Int) -> (length: Int, unit: UInt16)?
    ) {
        var (index, start) = (0, 0)
        while index < bytes.count {
            guard let (length, unit) = find(index) else {
                index += 1
                continue
            }
            target.writeBytes(bytes[start..<index])
            write(unit, into: &target)
            index += length
            start = index
        }
        target.writeBytes(bytes[start...])
    }

    private static func write(_ unit: UInt16, into target: inout ByteBuffer) {
        switch unit {
        case UInt16(quote): target.writeStaticString("\\\"")
        case UInt16(backslash): target.writeStaticString("\\\\")
        case 0x08: target.writeStaticString("\\b")
        case 0x09: target.writeStaticString("\\t")
        case 0x0A: target.writeStaticString("\\n")
        case 0x0C: target.writeStaticString("\\f")
        case 0x0D: target.writeStaticString("\\r")
        default:
            target.writeStaticString("\\u")
            for shift in [UInt16(12), 8, 4, 0] {
                let digit = UInt8(unit >> shift & 0xF)
                target.writeInteger(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
    }
}
