import BelfryModel
import NIOCore
import STOMP

/// STOMP frames of a client: nothing traps, how the bytes are split makes no difference, and a frame that was read is
/// read again from what it encodes to.
public enum FuzzedSTOMP {
    private struct Seen: Equatable {
        var events: [FrameDecoder.Event] = []
        var error: FrameError?
    }

    /// The version, then cuts with their count, then the peer's bytes.
    public static func run(_ bytes: UnsafeRawBufferPointer) {
        var input = FuzzInput(bytes)
        let version = ProtocolVersion.allCases[Int(input.byte()) % ProtocolVersion.allCases.count]
        let cuts = input.bytes()
        let whole = decode([ByteBuffer(bytes: input.rest)], version)
        let parts = decode(Array(input.rest).pieces(cuts), version)
        mustHold(whole == parts, "split or not, the same is read: \(whole) and \(parts)")
        for case .frame(let frame) in whole.events { roundTrip(frame, version) }
    }

    private static var limits: Limits {
        var limits = Limits()
        limits.headerLineBytesMax = 60
        limits.headerBytesMax = 300
        limits.headersMax = 8
        limits.bodyBytesMax = 100
        return limits
    }

    private static func decode(_ pieces: [ByteBuffer], _ version: ProtocolVersion) -> Seen {
        var decoder = FrameDecoder(version: version, limits: limits)
        var seen = Seen()
        for var piece in pieces {
            decoder.feed(&piece)
            do throws(FrameError) {
                while let event = try decoder.next() { seen.events.append(event) }
            } catch {
                seen.error = error
                return seen
            }
        }
        return seen
    }

    private static func roundTrip(_ frame: Frame, _ version: ProtocolVersion) {
        mustHold(frame.body.readableBytes <= limits.bodyBytesMax, "a body is bounded: \(frame)")
        var encoded = ByteBuffer()
        FrameEncoder(version: version).encode(frame, into: &encoded)
        var decoder = FrameDecoder(version: version)
        decoder.feed(&encoded)
        guard case .frame(let again)? = try? decoder.next() else { fatalError("What is encoded is read: \(frame)") }
        mustHold(again.command == frame.command && again.body == frame.body, "\(again) is \(frame)")
    }
}
