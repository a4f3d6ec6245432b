import BelfryModel
import Counting
import NIOCore
import STOMP

/// What the STOMP codec costs a frame.
enum STOMPCases {
    static var all: [CountedCase] {
        [
            decode("stomp/decode-connect", Sample.connect, headers: 4),
            decode("stomp/decode-connect-split", Sample.connect, headers: 4, pieceBytes: 16),
            decode("stomp/decode-subscribe", Sample.subscribe, headers: 3),
            decode("stomp/decode-subscribe-split", Sample.subscribe, headers: 3, pieceBytes: 16),
            decode("stomp/decode-ack", Sample.acknowledgement(0), headers: 1),
            decode("stomp/decode-ack-split", Sample.acknowledgement(0), headers: 1, pieceBytes: 4),
            encodeConnected,
            encodeMessage,
        ]
    }

    /// Bytes → `Frame`, in one piece or in several. Answers with the number of headers.
    private static func decode(_ name: String, _ text: String, headers: Int, pieceBytes: Int = .max) -> CountedCase {
        CountedCase(name, answer: headers) { _ in
            var decoder = FrameDecoder()
            let pieces = pieces(of: ByteBuffer(string: text), bytes: pieceBytes)
            return { _ in
                var found = 0
                for piece in pieces {
                    var piece = piece
                    decoder.feed(&piece)
                    while let event = try decoder.next() {
                        if case .frame(let frame) = event { found += frame.headers.count }
                    }
                }
                return found
            }
        }
    }

    private static func pieces(of buffer: ByteBuffer, bytes: Int) -> [ByteBuffer] {
        var rest = buffer
        var pieces: [ByteBuffer] = []
        while let piece = rest.readSlice(length: min(bytes, rest.readableBytes)), piece.readableBytes > 0 {
            pieces.append(ByteBuffer(bytes: piece.readableBytesView))
        }
        return pieces
    }

    /// `Frame` → bytes, with the headers of a CONNECTED.
    private static var encodeConnected: CountedCase {
        let text =
            "CONNECTED\nversion:1.2\nheart-beat:10000,10000\nserver:belfry/1.0.0\n"
            + "session:9f8b1c1e-57d5-4e0b-a7a5-0b5a3c0f6a11\nuser-name:alice\n\n\0"
        return CountedCase("stomp/encode-connected", answer: text.utf8.count) { _ in
            let encoder = FrameEncoder()
            let frame = Frame(
                .connected,
                [
                    "version": "1.2", "heart-beat": "10000,10000", "server": "belfry/1.0.0",
                    "session": "9f8b1c1e-57d5-4e0b-a7a5-0b5a3c0f6a11", "user-name": "alice",
                ])
            return { _ in
                var buffer = ByteBuffer()
                encoder.encode(frame, into: &buffer)
                return buffer.readableBytes
            }
        }
    }

    /// The parts of a MESSAGE → bytes, as the delivery path writes it.
    private static var encodeMessage: CountedCase {
        let head =
            "MESSAGE\nsubscription:sub-0\nmessage-id:1000000\ndestination:/user/queue/msg\n"
            + "content-type:application/json\ncontent-length:\(Sample.body.utf8.count)\nack:1-1000000\n"
            + Sample.headerLines + "\n"
        let answer = head.utf8.count + Sample.body.utf8.count + 1
        return CountedCase("stomp/encode-message", answer: answer) { _ in
            let subscription = EscapedHeaderValue("sub-0")
            let destination = EscapedHeaderValue("/user/queue/msg")
            let headerLines = ByteBuffer(string: Sample.headerLines)
            let body = ByteBuffer(string: Sample.body)
            return { iteration in
                var buffer = ByteBuffer()
                OutgoingMessage(
                    subscription: subscription, destination: destination, messageID: Sample.id(iteration),
                    ackID: AckID(subscription: 1, message: Sample.id(iteration)), redelivered: false,
                    headerLines: headerLines, body: body
                ).write(into: &buffer)
                return buffer.readableBytes
            }
        }
    }
}
