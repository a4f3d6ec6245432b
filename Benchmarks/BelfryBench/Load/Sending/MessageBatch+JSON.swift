extension MessageBatch {
    /// The batch as the API takes it: an object, or an array of several.
    var json: [UInt8] {
        guard count > 1 else { return lines.dropLast() }
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        bytes.reserveCapacity(count * Self.objectBytes)
        for row in 0..<count {
            if row > 0 { bytes.append(UInt8(ascii: ",")) }
            appendObject(row, to: &bytes)
        }
        bytes.append(UInt8(ascii: "]"))
        return bytes
    }

    /// The batch as lines with an object each (NDJSON).
    var lines: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * Self.objectBytes)
        for row in 0..<count {
            appendObject(row, to: &bytes)
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }

    private static let objectBytes = textBytes + 80

    private func appendObject(_ row: Int, to bytes: inout [UInt8]) {
        bytes += "{\"receiver\":\"".utf8
        bytes += receiver(row)
        bytes += "\",\"type\":\"STRING_MSG\",\"data\":\"".utf8
        appendText(row, to: &bytes)
        bytes += "\"}".utf8
    }
}
