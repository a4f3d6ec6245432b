/// Percent-encoded text (RFC 3986, section 2.1).
package enum PercentDecoding {
    /// The bytes that a text stands for; `nil` when a `%` is not followed by two hexadecimal digits.
    ///
    /// - Parameters:
    ///   - text: any bytes at all.
    ///   - plusIsBlank: as in `application/x-www-form-urlencoded`.
    package static func bytes(_ text: some Sequence<UInt8>, plusIsBlank: Bool = false) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = text.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next()?.hexDigitValue, let low = rest.next()?.hexDigitValue else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsBlank: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return bytes
    }
}

extension UInt8 {
    /// What this byte stands for as a hexadecimal digit, of either case; `nil` for anything else.
    package var hexDigitValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
