import BelfryModel
import NIOCore
import Node

/// A worker with clients, whose event loop runs when it is told to.
final class Rehearsal {
    enum AckMode: String {
        case auto
        case clientIndividual = "client-individual"
    }

    private let loop = RehearsalLoop()
    private let node: RehearsalNode

    init() throws { node = try RehearsalNode(eventLoop: loop) }

    var pendingMarks: Int { node.pendingMarks }

    /// A client that has said nothing yet.
    func client() throws -> RehearsalClient { try RehearsalClient(node, loop: loop) }

    /// A client that is subscribed, and whose subscription takes live messages.
    func subscribed(_ user: String, to destination: String, ack: AckMode) throws -> RehearsalClient {
        let client = try client()
        try client.connect(as: user)
        let subscribe = "SUBSCRIBE\nid:sub-0\ndestination:\(destination)\nack:\(ack.rawValue)\n\n\0"
        try client.send(RehearsalClient.frame(subscribe), before: { try node.openChannels() })
        return client
    }

    /// One read of the bus that brings one message.
    func receive(_ envelope: ByteBuffer, for address: Address) {
        node.receive(envelope, for: address)
        loop.run()
    }
}
