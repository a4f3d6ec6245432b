import BelfryModel
import NIOCore

/// One message as the relay hands it to the nodes.
///
/// The binary form, integers big-endian:
///
/// | bytes | holds |
/// | --- | --- |
/// | 1 | version, 1 |
/// | 1 | flags: bit 0 says that the message expires, bit 1 that a session may have seen it before |
/// | 8 | id |
/// | 8 | xid |
/// | 8 | expiry in Unix milliseconds, 0 when it never expires |
/// | 4 | length of the header lines |
/// | 4 | length of the body |
/// | … | the header lines, then the body, and nothing after it |
public struct Envelope: Sendable, Hashable {
    /// The version that is written, and the only one that is read.
    public static let version: UInt8 = 1
    /// Bytes before the header lines.
    public static let prefixBytes = 34

    private static let expiresFlag: UInt8 = 1
    private static let redeliveredFlag: UInt8 = 2

    public let id: MessageID
    /// The writing transaction of the outbox row; `(id, xid)` is what tells a repeat from a message sent again.
    public let xid: UInt64
    /// Unix time in milliseconds from which the message is not to be delivered any more.
    public let expiresAtMilliseconds: Int64?
    /// It was handed to a session before, which did not acknowledge it.
    public let isRedelivered: Bool
    /// Escaped STOMP 1.2 header lines, each ended by a line feed; may be empty.
    public let headerLines: ByteBuffer
    /// The finished JSON body of the MESSAGE frame.
    public let body: ByteBuffer

    /// Appends the binary form to `buffer`, in one growth at most.
    ///
    /// - Parameters:
    ///   - headerLines: escaped header lines, each ended by a line feed.
    ///   - body: the JSON body. Both together stay below 1 GiB, PostgreSQL's bound of a value.
    public static func encode(
        id: MessageID, xid: UInt64, expiresAtMilliseconds: Int64?, isRedelivered: Bool = false,
        headerLines: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer, into buffer: inout ByteBuffer
    ) {
        let flags = (expiresAtMilliseconds == nil ? 0 : expiresFlag) | (isRedelivered ? redeliveredFlag : 0)
        buffer.reserveCapacity(minimumWritableBytes: prefixBytes + headerLines.count + body.count)
        buffer.writeMultipleIntegers(
            version, flags, id.rawValue, xid, expiresAtMilliseconds ?? 0,
            UInt32(clamping: headerLines.count), UInt32(clamping: body.count))
        buffer.writeBytes(headerLines)
        buffer.writeBytes(body)
    }

    /// Reads the binary form, which must fill `buffer` exactly. Header lines and body are slices of it, not copies.
    ///
    /// - Throws: `BusError` with `.protocolViolation` for anything that `encode` does not write.
    public init(decoding buffer: ByteBuffer) throws(BusError) {
        var buffer = buffer
        guard let version: UInt8 = buffer.getInteger(at: buffer.readerIndex) else {
            throw BusError(.protocolViolation, "An envelope on the bus is empty.")
        }
        guard version == Self.version else {
            throw BusError(
                .protocolViolation,
                "An envelope on the bus has version \(version); this process reads version \(Self.version) only.")
        }
        guard
            let (_, flags, id, xid, expiry, headerBytes, bodyBytes) = buffer.readMultipleIntegers(
                as: (UInt8, UInt8, Int64, UInt64, Int64, UInt32, UInt32).self)
        else {
            throw BusError(
                .protocolViolation, "An envelope on the bus ends within its first \(Self.prefixBytes) bytes.")
        }
        let expires = flags & Self.expiresFlag != 0
        guard flags & ~(Self.expiresFlag | Self.redeliveredFlag) == 0, id > 0, expires || expiry == 0 else {
            throw BusError(.protocolViolation, "An envelope on the bus has an id or flags that no relay writes.")
        }
        guard UInt64(headerBytes) + UInt64(bodyBytes) == UInt64(buffer.readableBytes),
            let headerLines = buffer.readSlice(length: Int(headerBytes)),
            let body = buffer.readSlice(length: Int(bodyBytes))
        else {
            throw BusError(.protocolViolation, "An envelope on the bus is not as long as it says.")
        }
        self.id = MessageID(rawValue: id)
        self.xid = xid
        self.expiresAtMilliseconds = expires ? expiry : nil
        self.isRedelivered = flags & Self.redeliveredFlag != 0
        self.headerLines = headerLines
        self.body = body
    }
}
