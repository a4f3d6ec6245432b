import BelfryModel
import NIOCore

/// Reads what clients send: strings of JSON (RFC 8259) in an array, or one by itself. Pure; takes any bytes at all.
public enum MessageDecoder {
    /// What is wrong with what was sent, in the words of the protocol.
    public enum Failure: Error {
        /// Nothing was sent.
        case nothing
        case brokenJSON

        /// The sentence.
        public var text: String {
            switch self {
            case .nothing: "Payload expected."
            case .brokenJSON: "Broken JSON encoding."
            }
        }
    }

    /// Reads an array of strings.
    public static func array(_ bytes: ByteBuffer) throws(Failure) -> MessageBatch {
        try decode(bytes, takesString: false)
    }

    /// Reads an array of strings, or a string.
    public static func arrayOrString(_ bytes: ByteBuffer) throws(Failure) -> MessageBatch {
        try decode(bytes, takesString: true)
    }

    private static func decode(_ bytes: ByteBuffer, takesString: Bool) throws(Failure) -> MessageBatch {
        guard bytes.readableBytes > 0 else { throw .nothing }
        let batch = bytes.withUnsafeReadableBytes { bytes -> MessageBatch? in
            guard UTF8Validator.isValid(bytes) else { return nil }
            var scanner = JSONScanner(bytes)
            return scanner.scan(takesString: takesString)
        }
        guard let batch else { throw .brokenJSON }
        return batch
    }
}

/// Goes through the bytes of a JSON text once. Every byte is asked for by `peek`, which knows the end.
private struct JSONScanner {
    private let bytes: UnsafeRawBufferPointer
    private var index = 0
    private var text = ByteBuffer()
    private var ends: [Int] = []

    /// - Parameter bytes: valid UTF-8.
    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private func peek(_ offset: Int = 0) -> UInt8? { index + offset < bytes.count ? bytes[index + offset] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        index += 1
        return true
    }

    private mutating func skipBlanks() {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    /// Returns `nil` for what is no such JSON.
    mutating func scan(takesString: Bool) -> MessageBatch? {
        skipBlanks()
        if take(UInt8(ascii: "[")) {
            guard scanElements() else { return nil }
        } else {
            guard takesString, scanString() else { return nil }
        }
        skipBlanks()
        return peek() == nil ? MessageBatch(text: text, ends: ends) : nil
    }

    /// The rest of an array, to its bracket.
    private mutating func scanElements() -> Bool {
        skipBlanks()
        if take(UInt8(ascii: "]")) { return true }
        while true {
            skipBlanks()
            guard scanString() else { return false }
            skipBlanks()
            if take(UInt8(ascii: "]")) { return true }
            guard take(UInt8(ascii: ",")) else { return false }
        }
    }

    private mutating func scanString() -> Bool {
        guard take(UInt8(ascii: "\"")) else { return false }
        while true {
            let start = index
            while let byte = peek(), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
                index += 1
            }
            text.writeBytes(bytes[start..<index])
            if take(UInt8(ascii: "\"")) {
                ends.append(text.readableBytes)
                return true
            }
            // The end, or a control character, which JSON wants escaped.
            guard take(UInt8(ascii: "\\")), scanEscape() else { return false }
        }
    }

    private mutating func scanEscape() -> Bool {
        guard let byte = peek() else { return false }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.writeInteger(byte)
        case UInt8(ascii: "b"): text.writeInteger(UInt8(0x08))
        case UInt8(ascii: "f"): text.writeInteger(UInt8(0x0C))
        case UInt8(ascii: "n"): text.writeInteger(UInt8(0x0A))
        case UInt8(ascii: "r"): text.writeInteger(UInt8(0x0D))
        case UInt8(ascii: "t"): text.writeInteger(UInt8(0x09))
        case UInt8(ascii: "u"): return scanUnit()
        default: return false
        }
        return true
    }

    /// A code unit of UTF-16, with its other half behind it if it is one of a pair. A half by itself is no character:
    /// it becomes U+FFFD, as browsers have it in a WebSocket's text.
    private mutating func scanUnit() -> Bool {
        guard let unit = takeDigits() else { return false }
        var scalar = Unicode.Scalar(unit)
        if UTF16.isLeadSurrogate(unit), peek() == UInt8(ascii: "\\"), peek(1) == UInt8(ascii: "u") {
            let place = index
            index += 2
            guard let other = takeDigits() else { return false }
            if UTF16.isTrailSurrogate(other) {
                scalar = Unicode.Scalar(0x10000 + (UInt32(unit) & 0x3FF) << 10 + UInt32(other) & 0x3FF)
            } else {
                index = place
            }
        }
        text.writeString(String(scalar ?? "\u{FFFD}"))
        return true
    }

    /// Four hexadecimal digits.
    private mutating func takeDigits() -> UInt16? {
        guard bytes.count - index >= 4 else { return nil }
        var unit: UInt16 = 0
        for byte in bytes[index..<(index + 4)] {
            guard let digit = byte.hexDigitValue else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        index += 4
        return unit
    }
}
