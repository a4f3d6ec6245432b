import CLinux

/// The least of an HTTP/1.1 answer: its status and its body, of a length that its head tells.
struct HTTPAnswer: Equatable {
    let status: Int
    let body: [UInt8]

    /// The answer at the beginning of these bytes, and how many of them it takes; nil while it is not complete.
    ///
    /// - Throws: when it is none, or of another kind than a node's API gives.
    static func first(in bytes: [UInt8]) throws(LoadError) -> (answer: HTTPAnswer, length: Int)? {
        guard let headEnd = end(of: "\r\n\r\n", in: bytes) else { return nil }
        let head = String(decoding: bytes[..<headEnd], as: UTF8.self)
        let lines = head.split(separator: "\r\n")
        let words = (lines.first ?? "").split(separator: " ", maxSplits: 2)
        guard words.count > 1, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
            throw LoadError("This is no answer of HTTP/1.1: \(head.prefix(200))")
        }
        let lengths = lines.dropFirst().compactMap { line -> Int? in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "content-length" else { return nil }
            return Int(parts[1].drop { $0 == " " })
        }
        guard lengths.count == 1, lengths[0] >= 0 else {
            throw LoadError("The answer does not tell the length of its body: \(head.prefix(200))")
        }
        let length = headEnd + lengths[0]
        guard bytes.count >= length else { return nil }
        return (HTTPAnswer(status: status, body: Array(bytes[headEnd..<length])), length)
    }

    /// Where the first `mark` ends.
    private static func end(of mark: String, in bytes: [UInt8]) -> Int? {
        let mark = Array(mark.utf8)
        return bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, let found = memmem(base, bytes.count, mark, mark.count) else {
                return nil
            }
            return base.distance(to: UnsafeRawPointer(found)) + mark.count
        }
    }
}
