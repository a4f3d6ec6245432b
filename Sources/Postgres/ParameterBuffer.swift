/// The text forms of a statement's values, NUL-terminated, in one buffer that is used again for the next statement.
struct ParameterBuffer {
    private var bytes: [UInt8] = []
    /// Where each value starts; nil for NULL.
    private var starts: [Int?] = []
    private var pointers: [UnsafePointer<CChar>?] = []
    /// A buffer that one large statement has blown up is given back.
    private static let keptBytesMax = 1 << 20

    /// Writes `values`, in place of what was there.
    /// - Throws: `.invalidValue` for a text with a NUL byte, which would end it early without a word.
    mutating func encode(_ values: [PostgresValue]) throws(PostgresError) {
        if bytes.capacity > Self.keptBytesMax { bytes = [] }
        bytes.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
        for value in values {
            guard case .null = value else {
                let start = bytes.count
                append(value)
                if mayHoldNUL(value), bytes[start...].contains(0) {
                    throw PostgresError(
                        .invalidValue, "The value of $\(starts.count + 1) holds a NUL byte, which text can't have.")
                }
                bytes.append(0)
                starts.append(start)
                continue
            }
            starts.append(nil)
        }
    }

    /// The number of values and libpq's array of C strings, valid for the call.
    mutating func withPointers<R>(_ body: (Int32, UnsafePointer<UnsafePointer<CChar>?>?) -> R) -> R {
        pointers.removeAll(keepingCapacity: true)
        return bytes.withUnsafeBytes { memory in
            for start in starts {
                guard let start, let base = memory.baseAddress else {
                    pointers.append(nil)
                    continue
                }
                pointers.append((base + start).assumingMemoryBound(to: CChar.self))
            }
            return pointers.withUnsafeBufferPointer { body(Int32($0.count), $0.baseAddress) }
        }
    }

    private func mayHoldNUL(_ value: PostgresValue) -> Bool {
        switch value {
        case .text, .textArray, .bytes: true
        case .null, .int64, .bool, .int64Array: false
        }
    }

    private mutating func append(_ value: PostgresValue) {
        switch value {
        case .null: break
        case .text(let text): bytes.append(contentsOf: text.utf8)
        case .bytes(let text): bytes.append(contentsOf: text)
        case .bool(let flag): bytes.append(UInt8(ascii: flag ? "t" : "f"))
        case .int64(let number): append(number)
        case .int64Array(let numbers): appendArray(numbers) { $0.append($1) }
        case .textArray(let texts): appendArray(texts) { $0.append(quoting: $1) }
        }
    }

    /// PostgreSQL's documentation, 8.15.2 "Array Value Input".
    private mutating func appendArray<Element>(
        _ elements: [Element], _ appendElement: (inout ParameterBuffer, Element) -> Void
    ) {
        bytes.append(UInt8(ascii: "{"))
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            appendElement(&self, element)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Quoted always, so that empty texts, `NULL`, commas, braces and spaces stay what they are.
    private mutating func append(quoting text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func append(_ number: Int64) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }
}
