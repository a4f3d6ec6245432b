import BelfryModel
import NIOCore

@testable import WebSocket

/// A client's end of a WebSocket, compressed or not: nothing traps, how the bytes are split makes no difference, no
/// message is over the bound, text is UTF-8, and nothing comes behind a failure or a close.
public enum FuzzedWebSocket {
    private static let messageBytesMax = 100_000

    private struct Seen: Equatable {
        var messages: [[UInt8]] = []
        var areText: [Bool] = []
        var pongs: [ByteBuffer] = []
        var failure: CloseReason?
        var isClosed = false
    }

    nonisolated(unsafe) private static let compression = WebSocketCompression(WebSocketCompression.Options())

    /// Whether compression is agreed, then cuts with their count, then the peer's bytes.
    public static func run(_ bytes: UnsafeRawBufferPointer) {
        var input = FuzzInput(bytes)
        let isCompressed = input.byte() & 1 == 1
        let cuts = input.bytes()
        let whole = read([ByteBuffer(bytes: input.rest)], isCompressed)
        let parts = read(Array(input.rest).pieces(cuts), isCompressed)
        mustHold(whole == parts, "split or not, the same is read")
        for (message, isText) in zip(whole.messages, whole.areText) { sendBack(message, isText) }
    }

    private static func read(_ pieces: [ByteBuffer], _ isCompressed: Bool) -> Seen {
        var input = WebSocketInput(messageBytesMax: messageBytesMax, compression: isCompressed ? compression : nil)
        var assembler = WebSocketMessageAssembler()
        var seen = Seen()
        for piece in pieces {
            input.feed(piece)
            while let event = input.next() {
                mustHold(seen.failure == nil, "nothing comes behind a failure")
                switch event {
                case .deliver(let part):
                    mustHold(!seen.isClosed, "no message comes behind a close")
                    guard let message = assembler.add(part) else { continue }
                    mustHold(message.readableBytes <= messageBytesMax, "a message is bounded")
                    seen.messages.append(Array(message.readableBytesView))
                    seen.areText.append(part.isText)
                case .pong(let payload):
                    mustHold(payload.readableBytes <= 125, "a ping is short")
                    seen.pongs.append(payload)
                case .fail(let reason): seen.failure = reason
                case .answerClose: seen.isClosed = true
                case .none, .closeTransport: break
                }
            }
        }
        return seen
    }

    /// Compresses a message as it would be for a client, and inflates it again.
    private static func sendBack(_ message: [UInt8], _ isText: Bool) {
        mustHold(!isText || String(validating: message, as: UTF8.self) != nil, "text is UTF-8")
        var deflated = ByteBuffer()
        let deflater = MessageDeflater(level: 1, windowBits: 9, memoryLevel: 1)
        guard deflater?.deflate(ByteBuffer(bytes: message), into: &deflated) == true else {
            fatalError("A message can be compressed.")
        }
        guard let inflater = compression.takeInflater() else { return }
        defer { compression.giveBack(inflater) }
        inflater.feed(deflated, isLast: true)
        var inflated = ByteBuffer()
        while true {
            switch inflater.next() {
            case .bytes(let piece): inflated.writeImmutableBuffer(piece)
            case .end(let piece):
                inflated.writeImmutableBuffer(piece)
                mustHold(inflated == ByteBuffer(bytes: message), "it is what it was")
                return
            case .failed: fatalError("What was compressed inflates.")
            }
        }
    }
}
