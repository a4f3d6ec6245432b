import Glibc

/// What servers send: WebSocket frames, and STOMP frames in them, found by offsets.
extension SwarmLoop {
    /// Deals with all whole frames; the number of bytes they took. Stops at a connection that has failed.
    func consume(_ place: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
        var used = 0
        if connections[place].state == .upgrading {
            used = upgraded(place, bytes)
            guard used > 0 else { return 0 }
        }
        while let frame = WebSocketFrameBounds(bytes, from: used) {
            guard frame.end <= bytes.count else { break }
            let payload = UnsafeRawBufferPointer(rebasing: bytes[frame.start..<frame.end])
            used = frame.end
            switch bytes[frame.first] {
            case 0x81, 0x82: dataReceived(place, payload)
            case 0x89:
                heartBeatsNow += 1
                frames.appendPong(payload)
            case 0x8a: break
            case 0x88:
                fail(place, "ended the session: \(String(decoding: payload.dropFirst(2), as: UTF8.self))")
            default: fail(place, "sent a frame in parts, or of an unknown kind")
            }
            guard connections[place].socket >= 0 else { return used }
        }
        return used
    }

    private func dataReceived(_ place: Int, _ payload: UnsafeRawBufferPointer) {
        switch configuration.greeting.framing {
        case .raw:
            receivedNow += 1
            connections[place].received += 1
            if isWatched(place) { configuration.onMessage?(firstNumber + place, payload, readAt) }
        case .stomp:
            switch payload.first {
            case UInt8(ascii: "M"): messageReceived(place, payload)
            case UInt8(ascii: "\n"): heartBeatsNow += 1
            default:
                if connections[place].state == .greeting { return answered(place, payload) }
                guard payload.first == UInt8(ascii: "R") else {
                    return fail(place, "sent: \(String(decoding: payload.prefix(400), as: UTF8.self))")
                }
            }
        }
    }

    private func isWatched(_ place: Int) -> Bool {
        configuration.onMessage != nil && (firstNumber + place) % configuration.watchedEvery == 0
    }

    private func messageReceived(_ place: Int, _ payload: UnsafeRawBufferPointer) {
        receivedNow += 1
        connections[place].received += 1
        let isWatched = isWatched(place)
        guard configuration.acknowledges || isWatched else { return }
        guard let message = STOMPMessageBounds(payload) else {
            return fail(place, "sent a MESSAGE without a body: \(String(decoding: payload.prefix(400), as: UTF8.self))")
        }
        if isWatched {
            let body = UnsafeRawBufferPointer(rebasing: payload[message.body])
            configuration.onMessage?(firstNumber + place, body, readAt)
        }
        guard configuration.acknowledges else { return }
        guard let ack = message.ack else { return fail(place, "sent a MESSAGE without the header ack") }
        frames.appendAck(UnsafeRawBufferPointer(rebasing: payload[ack]))
    }
}

/// Where a server's frame lies in the bytes read; its end may lie beyond them.
private struct WebSocketFrameBounds {
    let first: Int
    let start: Int
    let end: Int

    /// Nil when not even the header is all there.
    @inline(__always)
    init?(_ bytes: UnsafeRawBufferPointer, from first: Int) {
        let left = bytes.count - first
        guard left >= 2 else { return nil }
        let short = Int(bytes[first + 1] & 0x7f)
        self.first = first
        switch short {
        case 126:
            guard left >= 4 else { return nil }
            start = first + 4
            end = start + (Int(bytes[first + 2]) << 8 | Int(bytes[first + 3]))
        case 127:
            guard left >= 10 else { return nil }
            start = first + 10
            var length = 0
            // The highest bit is 0 by RFC 6455, section 5.2; what is over the buffer is refused by the reader.
            for place in 2..<10 { length = length << 8 | Int(bytes[first + place]) }
            end = start &+ (length & Int(Int32.max))
        default:
            start = first + 2
            end = start + short
        }
    }
}

/// Where the body and the `ack` header of a MESSAGE lie.
private struct STOMPMessageBounds {
    let body: Range<Int>
    private(set) var ack: Range<Int>?

    /// Nil when the headers do not end.
    init?(_ frame: UnsafeRawBufferPointer) {
        guard let base = frame.baseAddress else { return nil }
        var line = 0
        while line < frame.count, let found = memchr(base + line, 10, frame.count - line) {
            let end = base.distance(to: UnsafeRawPointer(found))
            if end == line || (end == line + 1 && frame[line] == 13) {
                body = end + 1..<max(end + 1, Self.end(of: frame))
                return
            }
            if end - line > 4, frame[line] == UInt8(ascii: "a"), memcmp(base + line, "ack:", 4) == 0 {
                ack = line + 4..<end
            }
            line = end + 1
        }
        return nil
    }

    /// Before the NUL, and the line feeds that may follow it.
    private static func end(of frame: UnsafeRawBufferPointer) -> Int {
        var end = frame.count
        while end > 0, frame[end - 1] == 10 { end -= 1 }
        return end > 0 && frame[end - 1] == 0 ? end - 1 : end
    }
}
