import BelfryModel
import Delivery
import NIOCore
import STOMP

/// What goes to one client: frames appended to its transport, and written when the session is flushed. Used on its
/// event loop only.
final class OutboundFlow {
    /// Bytes waiting for the client above which a backlog pauses.
    private static let backlogBytesMax = 256 * 1024
    /// Bytes waiting for a client that has not said who it is, above which it is not read from.
    private static let strangersBytesMax = 16 * 1024

    private let transport: any SessionTransport
    private let outboundBytesMax: Int
    /// Whose escapes are used.
    var version = ProtocolVersion.v12
    private var isTouched = false
    private var isBacklogPaused = false
    /// Consumers with messages in mode `auto` that were appended since the last flush.
    private var unflushed: [Consumer] = []

    init(transport: any SessionTransport, limits: Limits) {
        self.transport = transport
        outboundBytesMax = limits.outboundBytesMax
    }

    /// Bytes that wait for the client, in this process.
    var waitingBytes: Int { transport.waitingBytes }

    /// Whether so much waits for the client that it is not read from before it has taken some.
    ///
    /// - Parameter isStranger: it is not known who it is: then nothing but answers to its pings can be waiting.
    func isOverfull(isStranger: Bool) -> Bool {
        !transport.isWritable && transport.waitingBytes > (isStranger ? Self.strangersBytesMax : outboundBytesMax / 4)
    }

    // MARK: Appending

    /// Appends a message of one of the session's subscriptions.
    func append(_ message: Message, isRedelivered: Bool, on consumer: Consumer) {
        var headerLines =
            version == .v12 ? message.headerLines : HeaderLines.converted(message.headerLines, to: version)
        if consumer.hasCounted(message) { headerLines = Self.counted(headerLines) }
        let frame = OutgoingMessage(
            subscription: consumer.subscription.escapedID, destination: consumer.subscription.escapedDestination,
            messageID: message.id, ackID: consumer.subscription.ackID(for: message.id), redelivered: isRedelivered,
            headerLines: headerLines, body: message.body)
        transport.append(byteCount: frame.byteCount, isUTF8: message.isUTF8) { frame.write(into: &$0) }
        if consumer.appended(message.id) { unflushed.append(consumer) }
    }

    /// With a line that tells that the message is in the count of what is unread.
    private static func counted(_ headerLines: ByteBuffer) -> ByteBuffer {
        var lines = ByteBuffer(string: "counted:true\n")
        lines.writeImmutableBuffer(headerLines)
        return lines
    }

    func append(_ frame: Frame) {
        var bytes = ByteBuffer()
        FrameEncoder(version: version).encode(frame, into: &bytes)
        transport.append(byteCount: bytes.readableBytes, isUTF8: bytes.withUnsafeReadableBytes(UTF8Validator.isValid)) {
            $0.writeImmutableBuffer(bytes)
        }
    }

    func appendHeartBeat() {
        transport.append(byteCount: 1, isUTF8: true) { $0.writeImmutableBuffer(FrameEncoder.heartBeat) }
    }

    // MARK: Writing

    /// Something was appended. Returns whether it is the first since the last flush.
    func touch() -> Bool { !exchange(&isTouched, with: true) }

    /// Writes what was appended since the last time, in one write.
    ///
    /// - Parameter written: told the last message of each consumer in mode `auto`, once its bytes have left for the
    ///   socket.
    func flush(written: @escaping @Sendable ([(Consumer, MessageID?)]) -> Void) {
        isTouched = false
        guard !unflushed.isEmpty else { return transport.flush(written: nil) }
        let flushed = unflushed.map { ($0, $0.takeUnflushed()) }
        unflushed.removeAll()
        transport.flush { written(flushed) }
    }

    // MARK: Backlogs

    /// Whether the client takes bytes fast enough for more backlog.
    func takesMoreBacklog() -> Bool {
        let takesMore = transport.isWritable && transport.waitingBytes < Self.backlogBytesMax
        if !takesMore { isBacklogPaused = true }
        return takesMore
    }

    /// Whether the client takes more backlog now, after it did not.
    func backlogResumes() -> Bool {
        guard isBacklogPaused, transport.isWritable, transport.waitingBytes < Self.backlogBytesMax else { return false }
        isBacklogPaused = false
        return true
    }

    // MARK: The transport

    /// What waits for the client is not for it any more. Returns whether a farewell may follow; if not, the connection
    /// is to be aborted.
    func discard() -> Bool {
        unflushed.removeAll()
        return transport.discardUnflushed()
    }

    func abort() { transport.abort() }
    func setReading(_ isReading: Bool) { transport.setReading(isReading) }
    func close(_ reason: CloseReason) { transport.close(reason) }
}
