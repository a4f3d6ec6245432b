import NIOCore

/// Finished header lines, as they stand in a message on its way: escaped by STOMP 1.2, each ended by a line feed.
public enum HeaderLines {
    /// The same lines escaped as another version wants them; what that cannot carry in a value becomes a blank, and a
    /// header whose name it cannot carry is left out.
    ///
    /// - Parameter lines: what cannot be read as lines of STOMP 1.2 is left out.
    public static func converted(_ lines: ByteBuffer, to version: ProtocolVersion) -> ByteBuffer {
        guard version != .v12, lines.readableBytes > 0 else { return lines }
        let escaping = HeaderEscaping(version: version)
        var converted = ByteBuffer()
        lines.withUnsafeReadableBytes { bytes in
            for line in bytes.split(separator: UInt8(ascii: "\n")) {
                guard case .success(let header) = HeaderEscaping.full.parse(UnsafeRawBufferPointer(rebasing: line))
                else {
                    continue
                }
                guard let name = escaping.escapeName(header.name) else { continue }
                converted.writeString("\(name):\(escaping.escape(header.value))\n")
            }
        }
        return converted
    }
}
