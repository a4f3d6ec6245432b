import CLinux
import Glibc

/// Publishes to nchan by HTTP POST, pipelined over a few keep-alive connections; those of one
/// channel over the same one, so that they stay in order.
///
/// Unchecked: one thread at a time uses it.
final class NchanPublisher: MessagePublisher, @unchecked Sendable {
    private let connections: [NchanConnection]
    private let heads: [[UInt8]]

    /// - Parameters:
    ///   - channels: by the number of the receiver.
    ///   - bodyBytes: of every message.
    init(port: Int, channels: [String], bodyBytes: Int, connections count: Int) throws {
        heads = channels.map {
            Array("POST /pub/\($0) HTTP/1.1\r\nHost: a\r\nContent-Length: \(bodyBytes)\r\n\r\n".utf8)
        }
        connections = try (0..<count).map { _ in try NchanConnection(port: port) }
    }

    func add(_ receiver: Int, number: Int, payload: [UInt8]) {
        connections[receiver % connections.count].add(heads[receiver], payload)
    }

    func flush() throws { for connection in connections { try connection.flush() } }

    func awaitAnswers(leaving count: Int) throws {
        let share = count / connections.count
        for connection in connections { try connection.awaitAnswers(leaving: share) }
    }
}

/// One keep-alive connection.
private final class NchanConnection {
    private var socket: PublisherSocket
    private var unanswered = 0

    init(port: Int) throws { socket = try PublisherSocket(port: port) }

    func add(_ head: [UInt8], _ payload: [UInt8]) {
        socket.append(head)
        socket.append(payload)
        unanswered += 1
    }

    func flush() throws { try socket.flush() }

    func awaitAnswers(leaving count: Int) throws {
        while unanswered > count {
            try socket.receive()
            var start = 0
            while let end = try Self.endOfAnswer(socket.inbound[start...]) {
                unanswered -= 1
                start = end
            }
            socket.dropInbound(start)
        }
    }

    /// Where the first answer ends; nil when it is not all there.
    ///
    /// - Throws: when the message was refused, or had no subscriber (202 instead of 201).
    private static func endOfAnswer(_ bytes: ArraySlice<UInt8>) throws(LoadError) -> Int? {
        let found = bytes.withUnsafeBytes { bytes -> (head: Int, total: Int, isCreated: Bool)? in
            guard let base = bytes.baseAddress, let end = memmem(base, bytes.count, "\r\n\r\n", 4) else { return nil }
            let head = base.distance(to: UnsafeRawPointer(end)) + 4
            let isCreated = head > 12 && memcmp(base, "HTTP/1.1 201", 12) == 0
            guard let field = memmem(base, head, "Content-Length: ", 16) else { return (head, head, isCreated) }
            var place = base.distance(to: UnsafeRawPointer(field)) + 16
            var length = 0
            while place < head, bytes[place] >= 48, bytes[place] <= 57 {
                length = length * 10 + Int(bytes[place] - 48)
                place += 1
            }
            return (head, head + length, isCreated)
        }
        guard let found else { return nil }
        guard found.isCreated else {
            throw LoadError("nchan answered a POST with: " + String(decoding: bytes.prefix(found.head), as: UTF8.self))
        }
        return found.total <= bytes.count ? bytes.startIndex + found.total : nil
    }
}
