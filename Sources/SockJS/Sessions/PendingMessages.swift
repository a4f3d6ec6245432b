import NIOCore

/// Messages on their way to the client, as long as no request is there to be answered by them.
struct PendingMessages {
    /// Strings of JSON with commas between them; and those that were appended since the last flush.
    private var flushed = ByteBuffer()
    private var appended = ByteBuffer()
    /// To be called once what was flushed has left for a socket.
    private var written: [@Sendable () -> Void] = []

    var byteCount: Int { flushed.readableBytes + appended.readableBytes }

    /// - Parameter message: in UTF-8.
    mutating func append(_ message: ByteBuffer) {
        appended.reserveCapacity(minimumWritableBytes: message.readableBytes + message.readableBytes / 8 + 3)
        if appended.readableBytes > 0 { appended.writeStaticString(",") }
        MessageQuoting.quote(message, into: &appended)
    }

    /// What was appended may go.
    mutating func flush(written: (@Sendable () -> Void)?) {
        if let written { self.written.append(written) }
        guard appended.readableBytes > 0 else { return }
        let bytes = exchange(&appended, with: ByteBuffer())
        if flushed.readableBytes == 0 {
            flushed = bytes
        } else {
            flushed.writeStaticString(",")
            flushed.writeImmutableBuffer(bytes)
        }
    }

    /// Takes what was flushed, as one frame; `nil` when there is nothing.
    mutating func takeFrame() -> (payload: ByteBuffer, written: [@Sendable () -> Void])? {
        guard flushed.readableBytes > 0 else { return nil }
        var payload = ByteBuffer()
        payload.reserveCapacity(flushed.readableBytes + 3)
        payload.writeStaticString("a[")
        payload.writeImmutableBuffer(exchange(&flushed, with: ByteBuffer()))
        payload.writeStaticString("]")
        return (payload, exchange(&written, with: []))
    }
}
