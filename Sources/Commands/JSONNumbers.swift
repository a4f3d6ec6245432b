/// The numbers of a JSON text, which nobody has parsed yet.
enum JSONNumbers {
    /// What JavaScript's numbers can hold (IEEE 754, binary64).
    private static let exponentMax = 308
    /// Digits of an exponent that are shown to a person.
    private static let shownMax = 24

    /// The first number whose exponent is out of range, shortened; `nil` when there is none. PostgreSQL keeps such a
    /// number in a few bytes and writes it in a hundred thousand digits.
    ///
    /// What is no JSON may be answered either way.
    static func firstOutOfRange(in json: some Collection<UInt8>) -> String? {
        var isInString = false
        var isEscaped = false
        var numberStart: Int?
        var exponent: Int?
        let bytes = Array(json)
        for (place, byte) in bytes.enumerated() {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                isInString = true
                (numberStart, exponent) = (nil, nil)
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                if numberStart == nil { numberStart = place }
                guard let digits = exponent else { continue }
                let value = digits * 10 + Int(byte - UInt8(ascii: "0"))
                if value > exponentMax {
                    let text = bytes[(numberStart ?? place)...].prefix(shownMax)
                    return String(decoding: text.prefix { isOfNumber($0) }, as: UTF8.self)
                }
                exponent = value
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                if numberStart != nil { exponent = 0 }
            case UInt8(ascii: "."), UInt8(ascii: "+"), UInt8(ascii: "-"): continue
            default: (numberStart, exponent) = (nil, nil)
            }
        }
        return nil
    }

    private static func isOfNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "."),
            UInt8(ascii: "+"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
