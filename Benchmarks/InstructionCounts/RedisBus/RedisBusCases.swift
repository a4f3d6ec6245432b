import BelfryModel
import Bus
import Counting
import NIOCore

/// What a message costs on its way into and out of Redis. In the module itself, as the codec is its own business.
public enum RedisBusCases {
    private static let address = Address.user("alice")
    private static let names = ChannelNames()

    public static var all: [CountedCase] {
        [
            publish,
            receive("redis/receive", messages: 1),
            receive("redis/receive-100-in-one-read", messages: 100),
        ]
    }

    /// PUBLISH formatted for one envelope.
    private static var publish: CountedCase {
        let length = pushed([Sample.envelope(0)]).readableBytes - "*3\r\n$7\r\nmessage\r\n".utf8.count
        return CountedCase("redis/publish", answer: length + "*3\r\n$7\r\nPUBLISH\r\n".utf8.count) { iterations in
            let envelopes = (0..<iterations).map(Sample.envelope)
            return { iteration in
                var commands = ByteBuffer()
                var channel: [UInt8] = []
                names.append(address, to: &channel)
                try RESPCommand.appendPublish(channel: channel, payload: envelopes[iteration], to: &commands)
                return commands.readableBytes
            }
        }
    }

    /// The bytes of one read, up to envelope and address. Answers with the bytes of the envelopes.
    private static func receive(_ name: String, messages: Int) -> CountedCase {
        let answer = messages * Sample.envelope(0).readableBytes
        return CountedCase(name, answer: answer) { _ in
            let subscriber = try Subscriber(names: names, address: address)
            let bytes = pushed((0..<messages).map(Sample.envelope))
            return { _ in try subscriber.receive(bytes) }
        }
    }

    /// What Redis sends to a subscriber for these envelopes.
    private static func pushed(_ envelopes: [ByteBuffer]) -> ByteBuffer {
        let channel = names.bytes(of: address)
        var buffer = ByteBuffer()
        for envelope in envelopes {
            buffer.writeString("*3\r\n$7\r\nmessage\r\n$\(channel.count)\r\n")
            buffer.writeBytes(channel)
            buffer.writeString("\r\n$\(envelope.readableBytes)\r\n")
            buffer.writeImmutableBuffer(envelope)
            buffer.writeString("\r\n")
        }
        return buffer
    }
}

/// A subscriber without its connection.
private final class Subscriber {
    private let reader: RESPReader
    private var machine: SubscriberMachine

    /// One that has subscribed to `address` and was answered.
    init(names: ChannelNames, address: Address) throws {
        reader = try RESPReader()
        machine = SubscriberMachine(names: names)
        _ = machine.connected()
        _ = machine.subscribe(address)
        _ = machine.turnEnded()
        let channel = String(decoding: names.bytes(of: address), as: UTF8.self)
        let answer = ByteBuffer(string: "*3\r\n$9\r\nsubscribe\r\n$\(channel.utf8.count)\r\n\(channel)\r\n:1\r\n")
        for value in try reader.read(answer) { _ = try machine.valueReceived(value) }
    }

    /// The bytes of the envelopes found.
    func receive(_ bytes: ByteBuffer) throws -> Int {
        var found = 0
        for value in try reader.read(bytes) {
            switch try machine.valueReceived(value) {
            case .message(_, let envelope): found += envelope.readableBytes
            case .none, .subscribed: break
            }
        }
        return found
    }
}
