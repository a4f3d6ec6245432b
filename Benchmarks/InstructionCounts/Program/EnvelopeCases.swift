import BelfryModel
import Bus
import Counting
import NIOCore

/// What the envelope costs that crosses from relay to node.
enum EnvelopeCases {
    static var all: [CountedCase] { [encode, decode] }

    private static var encode: CountedCase {
        let answer = Envelope.prefixBytes + Sample.headerLines.utf8.count + Sample.body.utf8.count
        return CountedCase("envelope/encode", answer: answer) { _ in
            let headerLines = Array(Sample.headerLines.utf8)
            let body = Array(Sample.body.utf8)
            return { iteration in
                var buffer = ByteBuffer()
                headerLines.withUnsafeBytes { headerLines in
                    body.withUnsafeBytes { body in
                        Envelope.encode(
                            origin: Sample.origin, id: Sample.id(iteration), xid: Sample.xid(iteration),
                            createdAtMicroseconds: Sample.createdAt(iteration), expiresAtMilliseconds: nil,
                            headerLines: headerLines, body: body, into: &buffer)
                    }
                }
                return buffer.readableBytes
            }
        }
    }

    private static var decode: CountedCase {
        CountedCase("envelope/decode", answer: Sample.headerLines.utf8.count + Sample.body.utf8.count) { _ in
            let bytes = Sample.envelope(0)
            return { _ in
                let envelope = try Envelope(decoding: bytes)
                return envelope.headerLines.readableBytes + envelope.body.readableBytes
            }
        }
    }
}
