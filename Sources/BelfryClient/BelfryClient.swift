import BelfryModel
import NIOCore

/// A client of Belfry's: the messages of a user, as they arrive, over a connection that comes back by itself.
///
///     let client = BelfryClient(url: "wss://push.example.com/ws", token: { try await session.token() })
///     try await withThrowingTaskGroup(of: Void.self) { group in
///         group.addTask { try await client.run() }
///         for try await message in client.messages() {
///             print(message.type, message.json)
///             message.ack()
///         }
///     }
///
/// Nothing is connected until `run()` runs; what is asked before waits for it. A lost connection is made again, with
/// its subscriptions, and each message is handed over once. Messages that nobody takes are not read from the socket.
public final class BelfryClient: Sendable {
    /// How a subscription's messages are acknowledged.
    public typealias AckMode = BelfryModel.AckMode

    let core: ClientCore
    private let token: @Sendable () async throws -> String?

    /// - Parameters:
    ///   - url: `ws://`, `wss://`, or for STOMP over TCP `stomp://`, `stomps://`. `run()` refuses what is no such URL.
    ///   - token: asked for a token before each connection, and before the one in use expires. If it throws, it is
    ///     asked again after a pause.
    public init(
        url: String, configuration: Configuration = Configuration(),
        token: @escaping @Sendable () async throws -> String
    ) {
        core = ClientCore(url: url, hasFreshTokens: true, configuration: configuration)
        self.token = token
    }

    /// - Parameter token: the only one there is; `nil` for none.
    public init(url: String, token: String?, configuration: Configuration = Configuration()) {
        core = ClientCore(url: url, hasFreshTokens: false, configuration: configuration)
        self.token = { token }
    }

    /// Stays connected until its task is cancelled; then it says DISCONNECT, and returns when the server has committed
    /// what was acknowledged, or has had its time for that. Can be called once.
    ///
    /// - Throws: `BelfryClientError` when another connection would meet the same end: the token was refused, say.
    public func run() async throws {
        let core = core
        let end = try await core.eventLoop.submit { try core.start().map { $0 } }.get()
        try await withTaskCancellationHandler {
            // Asked for in this task, so that it has the task's values and is cancelled with it.
            for await _ in core.tokens.wanted {
                let answer: Result<String?, any Error>
                do { answer = .success(try await token()) } catch { answer = .failure(error) }
                core.eventLoop.execute { core.tokenAnswered(answer) }
            }
            try await end.get()
        } onCancel: {
            core.eventLoop.execute { core.stop() }
        }
    }

    /// The messages of a destination, from the first iteration on.
    ///
    /// - Parameters:
    ///   - destination: `/user/queue/<name>` for the user's own, `/topic/<name>` for broadcasts.
    ///   - ack: when left out, the messages of a user are acknowledged each, and those of a topic not.
    ///   - lastMessageID: for a topic, to get what came after it first; `0` for everything kept.
    ///   - headers: further ones of SUBSCRIBE.
    public func messages(
        _ destination: String = "/user/queue/msg", ack: AckMode? = nil, after lastMessageID: String? = nil,
        headers: [String: String] = [:]
    ) -> Messages {
        Messages(
            core: core, destination: destination,
            ackMode: ack ?? (destination.hasPrefix("/topic/") ? .auto : .clientIndividual),
            lastMessageID: lastMessageID, headers: headers)
    }

    /// The present state and each one after it, until `closed`. If they are not taken the older ones are dropped.
    public var states: AsyncStream<State> {
        let (stream, watcher) = StateBoard.makeStream()
        core.eventLoop.execute { [core] in core.watch(watcher) }
        return stream
    }

    /// Tries again at once, where a pause is under way: when the program knows that there is a network again.
    public func reconnectNow() {
        core.eventLoop.execute { [core] in core.reconnectNow() }
    }
}
