import BelfryModel
import NIOCore

/// A MESSAGE frame in the parts that the delivery path has at hand, written without a `Frame` in between
/// ("STOMP 1.2, MESSAGE").
///
/// Its size is known before it is written, for a transport that must name it first.
public struct OutgoingMessage: Sendable {
    /// The client's id of the subscription, escaped when it was made; `nil` for one of STOMP 1.0 without an id.
    public let subscription: EscapedHeaderValue?
    /// The destination as the client wrote it in SUBSCRIBE.
    public let destination: EscapedHeaderValue
    public let messageID: MessageID
    /// What the client sends back in ACK or NACK; `nil` in mode `auto`, and before STOMP 1.2.
    public let ackID: AckID?
    public let redelivered: Bool
    /// Further headers, already escaped, each line ended by LF; may be empty. Those above come first, and so win.
    public let headerLines: ByteBuffer
    /// The JSON body.
    public let body: ByteBuffer
    /// Bytes of the whole frame with its NULL.
    public let byteCount: Int

    public init(
        subscription: EscapedHeaderValue?, destination: EscapedHeaderValue, messageID: MessageID, ackID: AckID?,
        redelivered: Bool, headerLines: ByteBuffer, body: ByteBuffer
    ) {
        self.subscription = subscription
        self.destination = destination
        self.messageID = messageID
        self.ackID = ackID
        self.redelivered = redelivered
        self.headerLines = headerLines
        self.body = body
        byteCount =
            Text.command.utf8CodeUnitCount
            + (subscription.map { Text.subscription.utf8CodeUnitCount + $0.byteCount + 1 } ?? 0)
            + Text.messageID.utf8CodeUnitCount + messageID.rawValue.decimalDigits
            + Text.destination.utf8CodeUnitCount + destination.byteCount
            + Text.contentLength.utf8CodeUnitCount + body.readableBytes.decimalDigits + 1
            + (ackID.map { Text.ack.utf8CodeUnitCount + $0.byteCount + 1 } ?? 0)
            + (redelivered ? Text.redelivered.utf8CodeUnitCount : 0)
            + headerLines.readableBytes + 1 + body.readableBytes + 1
    }

    /// Appends the frame to `buffer`.
    public func write(into buffer: inout ByteBuffer) {
        buffer.write(exactly: byteCount) { writer in
            writer.write(Text.command)
            if let subscription {
                writer.write(Text.subscription)
                writer.write(subscription.text)
                writer.write("\n" as StaticString)
            }
            writer.write(Text.messageID)
            writer.write(decimal: messageID.rawValue)
            writer.write(Text.destination)
            writer.write(destination.text)
            writer.write(Text.contentLength)
            writer.write(decimal: body.readableBytes)
            writer.write("\n" as StaticString)
            if let ackID {
                writer.write(Text.ack)
                writer.write(ackID)
                writer.write("\n" as StaticString)
            }
            if redelivered { writer.write(Text.redelivered) }
            writer.write(headerLines)
            writer.write("\n" as StaticString)
            writer.write(body)
            writer.writeNull()
        }
    }

    private enum Text {
        static let command: StaticString = "MESSAGE\n"
        static let subscription: StaticString = "subscription:"
        static let messageID: StaticString = "message-id:"
        static let destination: StaticString = "\ndestination:"
        static let contentLength: StaticString = "\ncontent-type:application/json\ncontent-length:"
        static let ack: StaticString = "ack:"
        static let redelivered: StaticString = "redelivered:true\n"
    }
}
