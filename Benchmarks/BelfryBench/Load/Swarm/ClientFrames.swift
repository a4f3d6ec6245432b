import Glibc

/// Masked WebSocket frames (RFC 6455, section 5.3), gathered to be sent with one write.
struct ClientFrames: ~Copyable {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    private var capacity = 64 * 1024

    init() { base = .allocate(capacity: capacity) }

    deinit { base.deallocate() }

    mutating func clear() { count = 0 }

    /// A heart-beat of STOMP.
    mutating func appendHeartBeat() {
        begin(opcode: 1, length: 1)
        put(UInt8(ascii: "\n"), at: 0)
        count += 1
    }

    /// An ACK frame of STOMP for the value of a MESSAGE's `ack` header.
    mutating func appendAck(_ id: UnsafeRawBufferPointer) {
        begin(opcode: 1, length: 7 + id.count + 3)
        put("ACK\nid:")
        for (place, byte) in id.enumerated() { put(byte, at: 7 + place) }
        let end = 7 + id.count
        put(UInt8(ascii: "\n"), at: end)
        put(UInt8(ascii: "\n"), at: end + 1)
        put(0, at: end + 2)
        count += end + 3
    }

    /// A text frame.
    mutating func appendText(_ text: [UInt8]) { text.withUnsafeBytes { append(opcode: 1, $0) } }

    /// The answer to a ping.
    mutating func appendPong(_ payload: UnsafeRawBufferPointer) { append(opcode: 10, payload) }

    /// Bytes that are no frame: the handshake.
    mutating func appendPlain(_ text: String) {
        let bytes = Array(text.utf8)
        reserve(bytes.count)
        for byte in bytes {
            base[count] = byte
            count += 1
        }
    }

    private mutating func append(opcode: UInt8, _ payload: UnsafeRawBufferPointer) {
        begin(opcode: opcode, length: payload.count)
        for (place, byte) in payload.enumerated() { put(byte, at: place) }
        count += payload.count
    }

    private func put(_ text: StaticString) {
        for place in 0..<text.utf8CodeUnitCount { put(text.utf8Start[place], at: place) }
    }

    private func put(_ byte: UInt8, at place: Int) { base[count + place] = byte ^ Self.maskByte(place) }

    private static func maskByte(_ place: Int) -> UInt8 {
        switch place & 3 {
        case 0: 0x37
        case 1: 0xfa
        case 2: 0x21
        default: 0x3d
        }
    }

    private mutating func begin(opcode: UInt8, length: Int) {
        reserve(length + 14)
        base[count] = 0x80 | opcode
        if length < 126 {
            base[count + 1] = 0x80 | UInt8(length)
            count += 2
        } else {
            base[count + 1] = 0x80 | 126
            base[count + 2] = UInt8(truncatingIfNeeded: length >> 8)
            base[count + 3] = UInt8(truncatingIfNeeded: length)
            count += 4
        }
        for place in 0..<4 { base[count + place] = Self.maskByte(place) }
        count += 4
    }

    private mutating func reserve(_ more: Int) {
        guard count + more > capacity else { return }
        capacity = (count + more) * 2
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: base, count: count)
        base.deallocate()
        base = larger
    }
}
