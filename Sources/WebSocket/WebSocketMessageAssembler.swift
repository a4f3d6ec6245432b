import NIOCore

/// Puts the parts of a message together, for a receiver that wants whole messages. What it holds is bounded as the
/// message is, by `Limits.webSocketMessageBytesMax`; between two messages it holds nothing.
public struct WebSocketMessageAssembler {
    private var pending = ByteBuffer()

    public init() {}

    /// Takes the next part.
    ///
    /// - Returns: the whole message if it was the last one. A message of one part is not copied.
    public mutating func add(_ part: WebSocketMessagePart) -> ByteBuffer? {
        if part.isLast, pending.readableBytes == 0 { return part.bytes }
        pending.writeImmutableBuffer(part.bytes)
        return part.isLast ? exchange(&pending, with: ByteBuffer()) : nil
    }
}
