import NIOCore

@testable import SockJS

/// What SockJS clients send: nothing traps, messages are UTF-8, and what is quoted again is read as it was.
public enum FuzzedSockJS {
    /// Whether a string by itself is taken, then the peer's bytes.
    public static func run(_ bytes: UnsafeRawBufferPointer) {
        var input = FuzzInput(bytes)
        let takesString = input.byte() & 1 == 1
        let sent = ByteBuffer(bytes: input.rest)
        guard let batch = try? takesString ? MessageDecoder.arrayOrString(sent) : MessageDecoder.array(sent) else {
            return
        }
        let messages = all(of: batch)
        var quoted = ByteBuffer(string: "[")
        for (place, message) in messages.enumerated() {
            mustHold(
                message.withUnsafeReadableBytes { String(validating: $0, as: UTF8.self) } != nil, "a message is UTF-8")
            if place > 0 { quoted.writeStaticString(",") }
            MessageQuoting.quote(message, into: &quoted)
        }
        quoted.writeStaticString("]")
        guard let again = try? MessageDecoder.array(quoted) else { fatalError("What is quoted is read.") }
        mustHold(all(of: again) == messages, "it is what it was")
    }

    private static func all(of batch: MessageBatch) -> [ByteBuffer] {
        var batch = batch
        var messages: [ByteBuffer] = []
        while let message = batch.next() { messages.append(message) }
        return messages
    }
}
