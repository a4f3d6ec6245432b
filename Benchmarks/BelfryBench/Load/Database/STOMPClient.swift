import CLinux
import Floors
import Foundation
import Glibc

/// One STOMP session over one WebSocket with blocking calls, as light as a client can be. To be used by one thread at a
/// time, but for `interrupt`.
final class STOMPClient: @unchecked Sendable {
    private let descriptor: Int32
    /// What was read of the socket and is not yet taken apart.
    private var input: [UInt8] = []
    /// The payloads of the WebSocket's frames: STOMP frames, each ended by a NUL.
    private var frames: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 65_536)

    /// Connects, upgrades, and logs in as `user` at a node with the development authenticator.
    init(port: Int, user: String) throws {
        descriptor = try Self.connect(port: port)
        try upgrade(port: port)
        try send("CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:0,0\nAuthorization:Bearer \(user)\n\n\0")
        try expect("CONNECTED")
    }

    deinit { close(descriptor) }

    /// Subscribes and waits until the node has answered.
    ///
    /// - Parameter ack: `client-individual`, `client` or `auto`.
    func subscribe(_ destination: String, ack: String) throws {
        try send("SUBSCRIBE\nid:0\ndestination:\(destination)\nack:\(ack)\nreceipt:s\n\n\0")
        try expect("RECEIPT")
    }

    /// Waits for messages and acknowledges all that one read brought, in one write.
    ///
    /// - Parameter onMessage: takes each MESSAGE frame, head and body, and the monotonic clock just after it was read.
    func acknowledgeNext(_ onMessage: (UnsafeRawBufferPointer, Int64) -> Void) throws {
        var answer: [UInt8] = []
        try receive { frame, time in
            guard frame.starts(with: Self.message) else { return }
            onMessage(frame, time)
            if let id = Self.header(Self.ackHeader, in: frame) {
                Self.append(Self.ackBefore + id + Self.ackAfter, to: &answer)
            }
        }
        if !answer.isEmpty { try write(answer) }
    }
    private static let message = Array("MESSAGE\n".utf8)
    private static let ackHeader = Array("\nack:".utf8)
    private static let ackBefore = Array("ACK\nid:".utf8)
    private static let ackAfter = Array("\n\n\0".utf8)

    /// Ends a read that another thread waits in, which then throws.
    func interrupt() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    // MARK: STOMP

    private func expect(_ command: String) throws {
        var first: String?
        while first == nil {
            try receive { frame, _ in first = first ?? String(decoding: frame, as: UTF8.self) }
        }
        guard let first, first.hasPrefix(command + "\n") else {
            throw BenchmarkError("The node answered where \(command) was due: \(first ?? "")")
        }
    }

    private static func header(_ name: [UInt8], in frame: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let start = frame.baseAddress, let found = memmem(start, frame.count, name, name.count) else {
            return nil
        }
        let value = start.distance(to: UnsafeRawPointer(found)) + name.count
        return Array(frame[value...].prefix { $0 != 0x0A })
    }

    // MARK: WebSocket

    private func upgrade(port: Int) throws {
        try write(
            Array(
                """
                GET /ws HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Protocol: v12.stomp\r\n\r\n
                """.utf8))
        let end = Array("\r\n\r\n".utf8)
        while true {
            try read()
            let head = String(decoding: input, as: UTF8.self)
            guard let range = head.range(of: "\r\n\r\n") else { continue }
            guard head.hasPrefix("HTTP/1.1 101") else { throw BenchmarkError("The node did not upgrade: \(head)") }
            input.removeFirst(head[..<range.lowerBound].utf8.count + end.count)
            return
        }
    }

    private func send(_ frame: String) throws {
        var bytes: [UInt8] = []
        Self.append(Array(frame.utf8), to: &bytes)
        try write(bytes)
    }

    /// A client's text frame; a mask of zeros leaves its payload as it is.
    private static func append(_ payload: [UInt8], opcode: UInt8 = 1, to bytes: inout [UInt8]) {
        bytes.append(0x80 | opcode)
        if payload.count < 126 {
            bytes.append(0x80 | UInt8(payload.count))
        } else {
            bytes += [
                0x80 | 126, UInt8(truncatingIfNeeded: payload.count >> 8), UInt8(truncatingIfNeeded: payload.count),
            ]
        }
        bytes += [0, 0, 0, 0]
        bytes += payload
    }

    /// Reads once, and hands on every STOMP frame that is whole now, without its NUL.
    private func receive(_ onFrame: (UnsafeRawBufferPointer, Int64) -> Void) throws {
        // What came behind the upgrade's or another frame's end is dealt with first.
        if input.isEmpty { try read() }
        let time = BareClock.nanoseconds
        var used = 0
        while let (opcode, payload) = Self.frame(in: input, from: used) {
            used = payload.upperBound
            switch opcode {
            case 0, 1, 2: frames += input[payload]
            case 8:
                throw BenchmarkError("The node closed: \(String(decoding: input[payload].dropFirst(2), as: UTF8.self))")
            case 9:
                var pong: [UInt8] = []
                Self.append(Array(input[payload]), opcode: 10, to: &pong)
                try write(pong)
            default: break
            }
        }
        input.removeFirst(used)
        if used == 0 { try read() }
        frames.withUnsafeBytes { bytes in
            var start = 0
            while let end = bytes[start...].firstIndex(of: 0) {
                while start < end, bytes[start] == 0x0A { start += 1 }
                if start < end { onFrame(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), time) }
                start = end + 1
            }
            used = start
        }
        frames.removeFirst(used)
    }

    /// The server's frame that begins at `start`; nil when it is not whole. A server does not mask.
    private static func frame(in bytes: [UInt8], from start: Int) -> (opcode: UInt8, payload: Range<Int>)? {
        guard bytes.count >= start + 2 else { return nil }
        var length = Int(bytes[start + 1] & 0x7F)
        var head = 2
        if length > 125 {
            head += length == 126 ? 2 : 8
            guard bytes.count >= start + head else { return nil }
            length = bytes[(start + 2)..<(start + head)].reduce(0) { ($0 & 0xFFFF_FFFF_FFFF) << 8 | Int($1) }
        }
        guard bytes.count - start - head >= length else { return nil }
        return (bytes[start] & 0x0F, (start + head)..<(start + head + length))
    }

    // MARK: the socket

    private static func connect(port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw BenchmarkError("There is no descriptor left for a session.") }
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw BenchmarkError("The node takes no connection on port \(port): \(String(cString: strerror(errno))).")
        }
        return descriptor
    }

    private func read() throws {
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { throw BenchmarkError("The node ended the connection.") }
        input += chunk[..<count]
    }

    private func write(_ bytes: [UInt8]) throws {
        let noSignal = Int32(MSG_NOSIGNAL)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done, noSignal)
            }
            guard count > 0 else { throw BenchmarkError("The node ended the connection.") }
            done += count
        }
    }
}
