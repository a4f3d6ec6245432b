/// A header value escaped once for the many frames that carry it: a subscription's id, its destination.
public struct EscapedHeaderValue: Hashable, Sendable {
    /// Escaped text. A String and not an array of bytes: up to 15 bytes of it need no allocation.
    let text: String

    /// - Parameter version: whose escapes are used; see `FrameEncoder`.
    public init(_ value: String, version: ProtocolVersion = .v12) {
        text = HeaderEscaping(version: version).escape(value)
    }

    /// Bytes on the wire.
    public var byteCount: Int { text.utf8.count }
}
