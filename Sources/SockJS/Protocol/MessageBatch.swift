import NIOCore

/// What a client has sent at once, taken apart: its messages, in their order.
public struct MessageBatch: Sendable {
    /// All of their text, one behind the other. In one buffer, as each of many short ones in its own would take many
    /// times the memory that they came in.
    private var text: ByteBuffer
    /// The byte behind each of those that are left, the last first.
    private var ends: [Int]

    /// - Parameter ends: the byte behind each message, counted from the first of `text`.
    init(text: ByteBuffer, ends: [Int]) {
        self.text = text
        let start = text.readerIndex
        self.ends = ends.reversed().map { start + $0 }
    }

    /// Takes out the next message; `nil` when there is none left.
    public mutating func next() -> ByteBuffer? {
        guard let end = ends.popLast() else { return nil }
        return text.readSlice(length: end - text.readerIndex)
    }

    var isEmpty: Bool { ends.isEmpty }
}
