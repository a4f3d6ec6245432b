/// How the connections of a swarm introduce themselves: the WebSocket handshake, then frames that each must be answered
/// before the next is sent.
public struct SwarmGreeting: Sendable {
    /// A text frame, and the first line of its answer.
    public struct Step: Sendable {
        /// A STOMP frame without its closing NUL.
        public let frame: String
        /// What the answer begins with, say `CONNECTED`.
        public let answer: String

        /// A frame and the beginning of its answer.
        public init(_ frame: String, answer: String) {
            self.frame = frame
            self.answer = answer
        }
    }

    /// What the server sends once the greeting is over.
    public enum Speech: Sendable {
        /// Every data frame is a message.
        case raw
        /// Frames that begin with MESSAGE are messages; heart-beats are skipped; ERROR ends the run.
        case stomp
    }

    /// The path of the handshake, of the connection with this number.
    public let path: @Sendable (Int) -> String
    /// The subprotocol that is asked for and must be granted.
    public let subprotocol: String?
    public let speech: Speech
    /// What is sent after the handshake, of the connection with this number.
    public let steps: @Sendable (Int) -> [Step]

    /// A greeting of one's own.
    public init(
        path: @escaping @Sendable (Int) -> String, subprotocol: String? = nil, speech: Speech,
        steps: @escaping @Sendable (Int) -> [Step] = { _ in [] }
    ) {
        self.path = path
        self.subprotocol = subprotocol
        self.speech = speech
        self.steps = steps
    }

    /// A STOMP 1.2 session with one subscription, whose RECEIPT is awaited.
    ///
    /// - Parameters:
    ///   - credentials: header lines of CONNECT, without the last line feed.
    ///   - destination: header lines of SUBSCRIBE from the destination's on, without the last line feed.
    ///   - heartBeatMilliseconds: offered and asked for.
    ///   - host: of CONNECT; RabbitMQ takes it for the virtual host.
    public static func stomp(
        path: String, host: String = "127.0.0.1", credentials: @escaping @Sendable (Int) -> String,
        destination: @escaping @Sendable (Int) -> String, ack: String, heartBeatMilliseconds: Int = 0
    ) -> SwarmGreeting {
        SwarmGreeting(path: { _ in path }, subprotocol: "v12.stomp", speech: .stomp) { number in
            let beat = "\(heartBeatMilliseconds),\(heartBeatMilliseconds)"
            return [
                Step(
                    "CONNECT\naccept-version:1.2\nhost:\(host)\nheart-beat:\(beat)\n\(credentials(number))\n\n",
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
    public static func belfry(
        user: @escaping @Sendable (Int) -> String, destination: String = "/user/queue/msg",
        ack: String = "client-individual", heartBeatMilliseconds: Int = 0
    ) -> SwarmGreeting {
        stomp(
            path: "/ws", credentials: { "Authorization:Bearer \(user($0))" }, destination: { _ in destination },
            ack: ack, heartBeatMilliseconds: heartBeatMilliseconds)
    }

    /// RabbitMQ's Web-STOMP plug-in.
    ///
    /// - Parameter destination: may bring further header lines of SUBSCRIBE, say
    ///   `/queue/u1\ndurable:true\nauto-delete:false\nprefetch-count:1000`.
    public static func rabbitMQ(
        login: String = "guest", passcode: String = "guest", destination: @escaping @Sendable (Int) -> String,
        ack: String = "client-individual", heartBeatMilliseconds: Int = 0
    ) -> SwarmGreeting {
        stomp(
            path: "/ws", host: "/", credentials: { _ in "login:\(login)\npasscode:\(passcode)" },
            destination: destination, ack: ack, heartBeatMilliseconds: heartBeatMilliseconds)
    }

    /// A bare WebSocket that needs nothing but its path, as nchan's subscribers.
    public static func webSocket(path: @escaping @Sendable (Int) -> String) -> SwarmGreeting {
        SwarmGreeting(path: path, speech: .raw)
    }
}
