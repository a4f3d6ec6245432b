/// Checks that bytes arriving in pieces are UTF-8 (RFC 3629), as RFC 6455, section 8.1, asks for text messages.
public struct UTF8Validator {
    /// Continuation bytes still owed, and the range that the next one must be in.
    private var owed = 0
    private var lower: UInt8 = 0x80
    private var upper: UInt8 = 0xBF

    public init() {}

    /// No character is cut off: a message may end here.
    public var isComplete: Bool { owed == 0 }

    /// Takes the next piece; `false` when it cannot be UTF-8 whatever follows.
    public mutating func consume(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index < bytes.count {
            if owed == 0 {
                index = Self.skipASCII(bytes, from: index)
                guard index < bytes.count else { return true }
            }
            guard accept(bytes[index]) else { return false }
            index += 1
        }
        return true
    }

    /// Whether `bytes` as a whole are UTF-8.
    public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var validator = UTF8Validator()
        return validator.consume(bytes) && validator.isComplete
    }

    private static func skipASCII(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var index = start
        while index + 8 <= bytes.count,
            bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
        {
            index += 8
        }
        while index < bytes.count, bytes[index] < 0x80 { index += 1 }
        return index
    }

    private mutating func accept(_ byte: UInt8) -> Bool {
        if owed > 0 {
            guard byte >= lower, byte <= upper else { return false }
            owed -= 1
            (lower, upper) = (0x80, 0xBF)
            return true
        }
        switch byte {
        case 0x00...0x7F: return true
        case 0xC2...0xDF: owed = 1
        case 0xE0: (owed, lower) = (2, 0xA0)
        case 0xE1...0xEC, 0xEE...0xEF: owed = 2
        case 0xED: (owed, upper) = (2, 0x9F)
        case 0xF0: (owed, lower) = (3, 0x90)
        case 0xF1...0xF3: owed = 3
        case 0xF4: (owed, upper) = (3, 0x8F)
        default: return false
        }
        return true
    }
}
