import BelfryModel
import NIOCore
import STOMP
import Testing

/// What a decoder made of some bytes.
struct Decoded: Equatable {
    var events: [FrameDecoder.Event] = []
    var error: FrameError?

    var frames: [Frame] {
        events.compactMap { event in
            switch event {
            case .frame(let frame): frame
            case .heartBeat: nil
            }
        }
    }

    var heartBeats: Int { events.count - frames.count }
}

/// Feeds the chunks one after the other and takes what comes after each.
func decode(_ chunks: [some Sequence<UInt8>], version: ProtocolVersion = .v12, limits: Limits = Limits()) -> Decoded {
    var decoder = FrameDecoder(version: version, limits: limits)
    var decoded = Decoded()
    for chunk in chunks {
        var buffer = ByteBuffer(bytes: chunk)
        decoder.feed(&buffer)
        do throws(FrameError) {
            while let event = try decoder.next() { decoded.events.append(event) }
        } catch {
            decoded.error = error
            return decoded
        }
    }
    return decoded
}

/// Decodes the bytes whole, cut in two at every place, and byte by byte; expects the same of each and returns it.
func decodeEverySplit(
    _ bytes: [UInt8], version: ProtocolVersion = .v12, limits: Limits = Limits(),
    sourceLocation: SourceLocation = #_sourceLocation
) -> Decoded {
    let whole = decode([bytes], version: version, limits: limits)
    for cut in 0...bytes.count {
        let parts = decode([bytes[..<cut], bytes[cut...]], version: version, limits: limits)
        #expect(parts == whole, "cut at \(cut)", sourceLocation: sourceLocation)
    }
    let single = decode(bytes.map { [$0] }, version: version, limits: limits)
    #expect(single == whole, "byte by byte", sourceLocation: sourceLocation)
    return whole
}

func decodeEverySplit(
    _ text: String, version: ProtocolVersion = .v12, limits: Limits = Limits(),
    sourceLocation: SourceLocation = #_sourceLocation
) -> Decoded {
    decodeEverySplit(Array(text.utf8), version: version, limits: limits, sourceLocation: sourceLocation)
}

/// The bytes of a frame as text.
func encoded(_ frame: Frame, version: ProtocolVersion = .v12) -> String {
    var buffer = ByteBuffer()
    FrameEncoder(version: version).encode(frame, into: &buffer)
    return String(buffer: buffer)
}
