import BelfryModel
import NIOCore

/// One message as the relay hands it to the nodes.
///
/// The binary form, integers big-endian:
///
/// | bytes | holds |
/// | --- | --- |
/// | 1 | version, 2 |
/// | 1 | flags: bit 0 says that the message expires, bit 1 that a session may have seen it before |
/// | 16 | the installation's id |
/// | 16 | the incarnation of PostgreSQL in which the xid was given out |
/// | 8 | the term of the relay that publishes |
/// | 8 | id |
/// | 8 | xid |
/// | 8 | when the row was written, in Unix microseconds |
/// | 8 | expiry in Unix milliseconds, 0 when it never expires |
/// | 4 | length of the header lines |
/// | 4 | length of the body |
/// | … | the header lines, then the body, and nothing after it |
public struct Envelope: Sendable, Hashable {
    /// The version that is written, and the only one that is read.
    public static let version: UInt8 = 2
    /// Bytes before the header lines.
    public static let prefixBytes = 82

    private static let expiresFlag: UInt8 = 1
    private static let redeliveredFlag: UInt8 = 2

    /// Where an envelope comes from: what a node compares before it looks at anything else.
    public struct Origin: Sendable, Hashable {
        public let installation: UniqueID
        /// Transaction ids of another incarnation mean nothing.
        public let incarnation: UniqueID
        /// A lower term than the present one is that of a leader that was superseded without knowing it.
        public let term: Int64

        public init(installation: UniqueID, incarnation: UniqueID, term: Int64) {
            self.installation = installation
            self.incarnation = incarnation
            self.term = term
        }
    }

    public let origin: Origin
    public let id: MessageID
    /// The writing transaction of the outbox row; a higher one tells a message sent again from a repeat.
    public let xid: UInt64
    /// When the row of the log was written, in Unix microseconds: a crash may have ids given out a second time, and the
    /// two messages differ in this.
    public let createdAtMicroseconds: Int64
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
        origin: Origin, id: MessageID, xid: UInt64, createdAtMicroseconds: Int64, expiresAtMilliseconds: Int64?,
        isRedelivered: Bool = false, headerLines: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer,
        into buffer: inout ByteBuffer
    ) {
        let flags = (expiresAtMilliseconds == nil ? 0 : expiresFlag) | (isRedelivered ? redeliveredFlag : 0)
        let bytes = prefixBytes + headerLines.count + body.count
        buffer.reserveCapacity(minimumWritableBytes: bytes)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytes) { room in
            // Stores at fixed places: `writeMultipleIntegers` of NIO is not specialized here and took most of the time.
            room[0] = version
            room[1] = flags
            func store<Integer: FixedWidthInteger>(_ value: Integer, at offset: Int) {
                room.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Integer.self)
            }
            store(origin.installation.high, at: 2)
            store(origin.installation.low, at: 10)
            store(origin.incarnation.high, at: 18)
            store(origin.incarnation.low, at: 26)
            store(origin.term, at: 34)
            store(id.rawValue, at: 42)
            store(xid, at: 50)
            store(createdAtMicroseconds, at: 58)
            store(expiresAtMilliseconds ?? 0, at: 66)
            store(UInt32(clamping: headerLines.count), at: 74)
            store(UInt32(clamping: body.count), at: 78)
            var rest = UnsafeMutableRawBufferPointer(rebasing: room[prefixBytes...])
            rest.copyMemory(from: headerLines)
            rest = UnsafeMutableRawBufferPointer(rebasing: rest[headerLines.count...])
            rest.copyMemory(from: body)
            return bytes
        }
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
            let (_, flags, installationHigh, installationLow, incarnationHigh, incarnationLow, term) =
                buffer.readMultipleIntegers(as: (UInt8, UInt8, UInt64, UInt64, UInt64, UInt64, Int64).self),
            let (id, xid, createdAt, expiry, headerBytes, bodyBytes) = buffer.readMultipleIntegers(
                as: (Int64, UInt64, Int64, Int64, UInt32, UInt32).self)
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
        self.origin = Origin(
            installation: UniqueID(high: installationHigh, low: installationLow),
            incarnation: UniqueID(high: incarnationHigh, low: incarnationLow), term: term)
        self.id = MessageID(rawValue: id)
        self.xid = xid
        self.createdAtMicroseconds = createdAt
        self.expiresAtMilliseconds = expires ? expiry : nil
        self.isRedelivered = flags & Self.redeliveredFlag != 0
        self.headerLines = headerLines
        self.body = body
    }
}
