import NIOWebSocket

/// WebSocket frames as a client writes them (RFC 6455, section 5.2), right or wrong.
public enum ClientFrames {
    /// The bytes of a frame as a client sends it.
    public static func frame(
        _ opcode: WebSocketOpcode, _ payload: [UInt8], fin: Bool = true, isMasked: Bool = true, rsv1: Bool = false
    ) -> [UInt8] {
        let key: [UInt8] = [0x11, 0x22, 0x33, 0x44]
        var frame: [UInt8] = [(fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | UInt8(webSocketOpcode: opcode)]
        let mask: UInt8 = isMasked ? 0x80 : 0
        switch payload.count {
        case ..<126: frame.append(mask | UInt8(payload.count))
        case ...65_535: frame += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default: frame += [mask | 127] + (0..<8).reversed().map { UInt8(payload.count >> ($0 * 8) & 0xFF) }
        }
        guard isMasked else { return frame + payload }
        return frame + key + payload.enumerated().map { $0.element ^ key[$0.offset % 4] }
    }
}
