/// How the connections of a swarm introduce themselves: the WebSocket handshake, then frames that each must be answered
/// before the next is sent.
struct SwarmGreeting: Sendable {
    /// A text frame, and the first line of its answer.
    struct Step: Sendable {
        /// A STOMP frame without its closing NUL.
        let frame: String
        /// What the answer begins with, say `CONNECTED`.
        let answer: String

        /// A frame and the beginning of its answer.
        init(_ frame: String, answer: String) {
            self.frame = frame
            self.answer = answer
        }
    }

    /// What the server sends once the greeting is over.
    enum Framing: Sendable {
        /// Every data frame is a message.
        case raw
        /// Frames that begin with MESSAGE are messages; heart-beats are skipped; ERROR ends the run.
        case stomp
    }

    /// The path of the handshake, of the connection with this number.
    let path: @Sendable (Int) -> String
    /// The subprotocol that is asked for and must be granted.
    let subprotocol: String?
    let framing: Framing
    /// What is sent after the handshake, of the connection with this number.
    let steps: @Sendable (Int) -> [Step]

    /// A greeting of one's own.
    init(
        path: @escaping @Sendable (Int) -> String, subprotocol: String? = nil, framing: Framing,
        steps: @escaping @Sendable (Int) -> [Step] = { _ in [] }
    ) {
        self.path = path
        self.subprotocol = subprotocol
        self.framing = framing
        self.steps = steps
    }

    /// A STOMP 1.2 session with one subscription, whose RECEIPT is awaited.
    ///
    /// - Parameters:
    ///   - credentials: header lines of CONNECT, without the last line feed.
    ///   - destination: header lines of SUBSCRIBE from the destination's on, without the last line feed.
    ///   - heartBeatMilliseconds: offered and asked for.
    static func stomp(
        path: String, credentials: @escaping @Sendable (Int) -> String,
        destination: @escaping @Sendable (Int) -> String, ack: String, heartBeatMilliseconds: Int = 0
    ) -> SwarmGreeting {
        SwarmGreeting(path: { _ in path }, subprotocol: "v12.stomp", framing: .stomp) { number in
            let beat = "\(heartBeatMilliseconds),\(heartBeatMilliseconds)"
            return [
                Step(
                    "CONNECT\naccept-version:1.2\nhost:127.0.0.1\nheart-beat:\(beat)\n\(credentials(number))\n\n",
                    answer: "CONNECTED"),
                Step(
                    "SUBSCRIBE\nid:0\nack:\(ack)\nreceipt:s\ndestination:\(destination(number))\n\n",
                    answer: "RECEIPT"),
            ]
        }
    }

    /// Belfry with the development authenticator.
    ///
    /// - Parameters:
    ///   - destination: `/user/queue/msg` or `/topic/<name>`.
    ///   - ack: `auto`, `client` or `client-individual`.
    static func belfry(
        user: @escaping @Sendable (Int) -> String, destination: String = "/user/queue/msg",
        ack: String = "client-individual", heartBeatMilliseconds: Int = 0
    ) -> SwarmGreeting {
        stomp(
            path: "/ws", credentials: { "Authorization:Bearer \(user($0))" }, destination: { _ in destination },
            ack: ack, heartBeatMilliseconds: heartBeatMilliseconds)
    }

    /// A bare WebSocket that needs nothing but its path, as nchan's subscribers.
    static func webSocket(path: @escaping @Sendable (Int) -> String) -> SwarmGreeting {
        SwarmGreeting(path: path, framing: .raw)
    }
}
