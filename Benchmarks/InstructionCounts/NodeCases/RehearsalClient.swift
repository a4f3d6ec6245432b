import Counting
import NIOCore
import NIOEmbedded
import Node
import WebSocket

/// A client's end of a WebSocket without a socket: the handlers are those of a real one.
final class RehearsalClient {
    /// Any four bytes; a browser draws new ones for every frame.
    private static let mask: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]

    private let channel: EmbeddedChannel
    private let loop: RehearsalLoop

    init(_ node: RehearsalNode, loop: RehearsalLoop) throws {
        self.loop = loop
        channel = EmbeddedChannel(
            handler: WebSocketHandler(worker: node.worker, limits: node.limits), loop: loop.embedded)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
    }

    /// The bytes of a text message as a browser sends it.
    static func frame(_ text: String) -> ByteBuffer {
        var buffer = ByteBuffer()
        let bytes = Array(text.utf8)
        buffer.writeInteger(UInt8(0x81))
        if bytes.count < 126 {
            buffer.writeInteger(UInt8(0x80 | bytes.count))
        } else {
            buffer.writeInteger(UInt8(0x80 | 126))
            buffer.writeInteger(UInt16(bytes.count))
        }
        buffer.writeBytes(mask)
        buffer.writeBytes(bytes.enumerated().map { $1 ^ mask[$0 % 4] })
        return buffer
    }

    /// One read of the socket.
    ///
    /// - Parameter next: run before what the read has put off.
    func send(_ bytes: ByteBuffer, before next: () throws -> Void = {}) throws {
        try channel.writeInbound(bytes)
        try next()
        loop.run()
    }

    /// The bytes of the next write to the socket; 0 when nothing was written.
    func writtenBytes() throws -> Int {
        try channel.readOutbound(as: ByteBuffer.self)?.readableBytes ?? 0
    }

    /// The next write to the socket as text.
    func writtenText() throws -> String {
        try channel.readOutbound(as: ByteBuffer.self).map { String(buffer: $0) } ?? ""
    }

    /// Says CONNECT, and checks its answer.
    func connect(as user: String) throws {
        try send(Self.frame(Self.connect(as: user)))
        let answer = try writtenText()
        guard answer.contains("CONNECTED\n") else { throw CountingError("CONNECT was answered with: \(answer)") }
    }

    /// CONNECT without heart-beats, which would depend on the time.
    static func connect(as user: String) -> String {
        "CONNECT\naccept-version:1.2\nheart-beat:0,0\ntoken:\(user)\n\n\0"
    }
}
