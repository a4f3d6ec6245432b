import NIOCore

/// Writes frames in the escaping of one version ("STOMP 1.2, Value Encoding").
///
/// What a value cannot carry in that version becomes a space, so that none can end its line or the frame; a header
/// whose name it cannot carry, or that has none, is left out.
public struct FrameEncoder: Sendable {
    /// Whose escapes are used. CONNECT, STOMP and CONNECTED have none.
    public var version: ProtocolVersion

    public init(version: ProtocolVersion = .v12) {
        self.version = version
    }

    /// The bytes of a heart-beat ("STOMP 1.2, Heart-beating").
    public static let heartBeat = ByteBuffer(string: "\n")

    /// Appends the frame to `buffer`. A frame with a body gets a `content-length`, whatever its headers say of it.
    public func encode(_ frame: Frame, into buffer: inout ByteBuffer) {
        let escaping = HeaderEscaping(version: version, command: frame.command)
        var lines: [EscapedLine] = []
        lines.reserveCapacity(frame.headers.count + 1)
        for header in frame.headers where header.name != "content-length" {
            guard let name = escaping.escapeName(header.name) else { continue }
            lines.append(EscapedLine(name: name, value: escaping.escape(header.value)))
        }
        if frame.body.readableBytes > 0 {
            lines.append(EscapedLine(name: "content-length", value: String(frame.body.readableBytes)))
        }
        let size = lines.reduce(frame.command.rawValue.utf8.count + frame.body.readableBytes + 3) { $0 + $1.byteCount }
        buffer.write(exactly: size) { writer in
            writer.write(frame.command.rawValue)
            writer.write("\n")
            for line in lines {
                writer.write(line.name)
                writer.write(":")
                writer.write(line.value)
                writer.write("\n")
            }
            writer.write("\n")
            writer.write(frame.body)
            writer.writeNull()
        }
    }

    private struct EscapedLine {
        let name: String
        let value: String
        var byteCount: Int { name.utf8.count + value.utf8.count + 2 }
    }
}
