import BelfryModel
import Bus
import Floors
import NIOCore
import Synchronization

/// Publishes envelopes to a Belfry's Redis as its relay does, without a row in PostgreSQL behind them.
///
/// Unchecked: one thread at a time uses it.
final class RedisPublisher: MessagePublisher, @unchecked Sendable {
    /// Above every id and transaction that the database has given out: no snapshot of the node sees them.
    private static let firstID: Int64 = 1 << 40
    private static let count = Atomic<Int64>(0)
    private static let xid: UInt64 = 1 << 40

    private var socket: PublisherSocket
    private let origin: Envelope.Origin
    private let heads: [[UInt8]]
    private var envelope = ByteBuffer()
    private var unanswered = 0
    /// Ids differ from publisher to publisher: a node drops what it has seen.
    private let firstID = RedisPublisher.firstID + RedisPublisher.count.add(1, ordering: .relaxed).newValue << 32

    /// - Parameters:
    ///   - database: the URL of the node's: whose messages it takes tests there.
    ///   - receivers: by their number.
    ///   - bodyBytes: of every message.
    init(port: Int, database: String, receivers: [Address], bodyBytes: Int) throws {
        socket = try PublisherSocket(port: port)
        origin = try Self.origin(database)
        let names = ChannelNames(prefix: ChannelNames.defaultPrefix, installation: origin.installation)
        let length = Envelope.prefixBytes + bodyBytes
        heads = receivers.map { address in
            let channel = names.bytes(of: address)
            return Array("*3\r\n$7\r\nPUBLISH\r\n$\(channel.count)\r\n".utf8) + channel
                + Array("\r\n$\(length)\r\n".utf8)
        }
    }

    /// Whose messages the node takes for its own.
    private static func origin(_ database: String) throws -> Envelope.Origin {
        let result = try BareConnection(url: database).execute(
            """
            select i.id, belfry.present_incarnation(), c.term
            from belfry.installation i, belfry.relay_cursor c where c.shard = 0
            """)
        guard result.rowCount == 1, let installation = UniqueID(result.string(0, 0)),
            let incarnation = UniqueID(result.string(0, 1)), let term = Int64(result.string(0, 2))
        else { throw BenchmarkError("The database of the node holds no installation of Belfry.") }
        return Envelope.Origin(installation: installation, incarnation: incarnation, term: term)
    }

    func add(_ receiver: Int, number: Int, payload: [UInt8]) {
        envelope.clear()
        payload.withUnsafeBytes { body in
            Envelope.encode(
                origin: origin, id: MessageID(rawValue: firstID + Int64(number)), xid: Self.xid,
                createdAtMicroseconds: 0, expiresAtMilliseconds: nil,
                headerLines: UnsafeRawBufferPointer(start: nil, count: 0), body: body, into: &envelope)
        }
        socket.append(heads[receiver])
        envelope.withUnsafeReadableBytes { socket.append($0) }
        socket.append(Self.lineEnd)
        unanswered += 1
    }

    private static let lineEnd = Array("\r\n".utf8)

    func flush() throws { try socket.flush() }

    /// Redis answers each PUBLISH by `:<subscribers>`.
    func awaitAnswers(leaving count: Int) throws {
        while unanswered > count {
            try socket.receive()
            var start = 0
            while let end = socket.inbound[start...].firstIndex(of: 10) {
                guard socket.inbound[start] == UInt8(ascii: ":"), socket.inbound[start + 1] != UInt8(ascii: "0") else {
                    throw LoadError(
                        "Redis answered a PUBLISH with "
                            + String(decoding: socket.inbound[start..<end], as: UTF8.self)
                            + ": nobody subscribed to it.")
                }
                unanswered -= 1
                start = end + 1
            }
            socket.dropInbound(start)
        }
    }
}
