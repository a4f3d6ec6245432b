import BelfryModel
import Counting
import NIOCore

/// What a message costs within a node, from the bytes of the bus to the bytes for the socket, and its ACK from the
/// socket to the mark.
public enum NodeCases {
    /// Subscribers of the topic in the case of a broadcast.
    private static let subscribers = 50

    public static var all: [CountedCase] { [connect, deliver, acknowledge, deliverAndAcknowledge, broadcast] }

    /// CONNECT in a WebSocket frame → the token checked, CONNECTED in a WebSocket frame.
    private static var connect: CountedCase {
        let answer =
            "CONNECTED\nversion:1.2\nheart-beat:10000,10000\nserver:belfry/1.0.0\n"
            + "session:9f8b1c1e-57d5-4e0b-a7a5-0b5a3c0f6a11\nuser-name:alice\n\n\0"
        return CountedCase("node/connect", answer: 4 + answer.utf8.count) { iterations in
            let node = try Rehearsal()
            let clients = try (0..<iterations).map { _ in try node.client() }
            let frame = RehearsalClient.frame(RehearsalClient.connect(as: "alice"))
            return { iteration in
                try clients[iteration].send(frame)
                return try clients[iteration].writtenBytes()
            }
        }
    }

    /// Envelope → MESSAGE in a WebSocket frame, one user with one session.
    private static var deliver: CountedCase {
        CountedCase("node/deliver", answer: messageBytes(destination: "/user/queue/msg", ackBytes: 14)) { iterations in
            let node = try Rehearsal()
            let client = try node.subscribed("alice", to: "/user/queue/msg", ack: .clientIndividual)
            let envelopes = (0..<iterations).map(Sample.envelope)
            return { iteration in
                node.receive(envelopes[iteration], for: .user("alice"))
                return try client.writtenBytes()
            }
        }
    }

    /// ACK in a WebSocket frame → a mark that waits to be written, one read each.
    private static var acknowledge: CountedCase {
        CountedCase("node/acknowledge", answer: 1) { iterations in
            let node = try Rehearsal()
            let client = try node.subscribed("alice", to: "/user/queue/msg", ack: .clientIndividual)
            for iteration in 0..<iterations { node.receive(Sample.envelope(iteration), for: .user("alice")) }
            let frames = (0..<iterations).map { RehearsalClient.frame(Sample.acknowledgement($0)) }
            return { iteration in
                let before = node.pendingMarks
                try client.send(frames[iteration])
                return node.pendingMarks - before
            }
        }
    }

    /// Both in turn, as a client does that keeps up.
    private static var deliverAndAcknowledge: CountedCase {
        let answer = messageBytes(destination: "/user/queue/msg", ackBytes: 14) + 1
        return CountedCase("node/deliver-and-acknowledge", answer: answer) { iterations in
            let node = try Rehearsal()
            let client = try node.subscribed("alice", to: "/user/queue/msg", ack: .clientIndividual)
            let envelopes = (0..<iterations).map(Sample.envelope)
            let frames = (0..<iterations).map { RehearsalClient.frame(Sample.acknowledgement($0)) }
            return { iteration in
                let before = node.pendingMarks
                node.receive(envelopes[iteration], for: .user("alice"))
                let written = try client.writtenBytes()
                try client.send(frames[iteration])
                return written + node.pendingMarks - before
            }
        }
    }

    /// Envelope → MESSAGE in a WebSocket frame for each of many sessions on one topic, in mode `auto`.
    private static var broadcast: CountedCase {
        let answer = subscribers * messageBytes(destination: "/topic/news", ackBytes: 0)
        return CountedCase("node/broadcast-to-\(subscribers)", answer: answer) { iterations in
            let node = try Rehearsal()
            let clients = try (0..<subscribers).map {
                try node.subscribed("user-\($0)", to: "/topic/news", ack: .auto)
            }
            let envelopes = (0..<iterations).map(Sample.envelope)
            return { iteration in
                node.receive(envelopes[iteration], for: .topic("news"))
                return try clients.reduce(0) { try $0 + $1.writtenBytes() }
            }
        }
    }

    /// Bytes of the sample as a MESSAGE in a WebSocket frame, spelt out here and not by the code under count.
    ///
    /// - Parameter ackBytes: of the line `ack:1-1000000`, its line feed included; 0 when there is none.
    private static func messageBytes(destination: String, ackBytes: Int) -> Int {
        let body = Sample.body.utf8.count
        let head =
            "MESSAGE\nsubscription:sub-0\nmessage-id:1000000\ndestination:\(destination)\n"
            + "content-type:application/json\ncontent-length:\(body)\n" + Sample.headerLines + "\n"
        return 4 + head.utf8.count + ackBytes + body + 1
    }
}
