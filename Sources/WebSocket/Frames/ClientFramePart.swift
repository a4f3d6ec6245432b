import NIOCore
import NIOWebSocket

/// A frame of a client (RFC 6455, section 5.2), or, of a data frame, the part of it that has come: its payload
/// unmasked.
struct ClientFramePart {
    /// FIN, the three reserved bits, and the opcode.
    let firstByte: UInt8
    let isMasked: Bool
    /// The frame begins with it.
    let isFirst: Bool
    /// The frame ends with it.
    let isLast: Bool
    let payload: ByteBuffer

    /// Whether the message ends with it.
    var endsMessage: Bool { isLast && firstByte & 0x80 != 0 }
    /// The bit that says that a message is compressed, where that is agreed (RFC 7692, section 6).
    var hasCompressionBit: Bool { firstByte & 0x40 != 0 }
    /// The bits that no extension which we know gives a meaning.
    var hasReservedBits: Bool { firstByte & 0x30 != 0 }
    /// `nil` for the reserved ones.
    var opcode: WebSocketOpcode? { WebSocketOpcode(encodedWebSocketOpcode: firstByte & 0x0F) }
}
