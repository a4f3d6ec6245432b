import Bus
import Logging
import NIOCore

/// What Redis says to a command, for whoever looks at the server and not for messages.
public enum RedisAnswer: Sendable, Hashable {
    case text(String)
    case number(Int64)
    case list([RedisAnswer])
    /// An error, such as `NOPERM …`.
    case refused(String)
    case nothing

    init(_ value: RESPValue) {
        self =
            switch value {
            case .simpleString(let bytes), .bulkString(let bytes): .text(String(buffer: bytes))
            case .error(let text): .refused(text)
            case .integer(let number): .number(number)
            case .null: .nothing
            case .array(let values): .list(values.map(RedisAnswer.init))
            }
    }

    /// The texts of a list; `nil` for anything else.
    public var texts: [String]? {
        guard case .list(let elements) = self else { return nil }
        return elements.compactMap { if case .text(let text) = $0 { text } else { nil } }
    }
}

/// Asks Redis a few commands on a connection of its own, which is gone afterwards.
public enum RedisInspector {
    /// - Parameters:
    ///   - configuration: its `answerTimeout` bounds the wait for the answers, its `connectTimeout` that before.
    ///   - commands: each a few words; at least one.
    /// - Returns: an answer for each; a refusal is one.
    /// - Throws: `BusError` when there is no connection, or it was lost, or sent what is not understood.
    public static func ask(
        _ commands: [[String]], _ configuration: RedisConfiguration, on eventLoop: any EventLoop
    ) async throws(BusError) -> [RedisAnswer] {
        let link = RedisLink(
            role: .inspector, eventLoop: eventLoop, connector: try RedisConnector(configuration: configuration),
            logger: Logger(label: "belfry.redis") { _ in SwiftLogNoOpLogHandler() }, onStateChange: nil)
        var encoded = ByteBuffer()
        for command in commands { try RESPCommand.append(command, to: &encoded) }
        let questions = Questions(link: link, commands: encoded, count: commands.count)
        let outcome = await withCheckedContinuation { continuation in
            eventLoop.execute { questions.start { continuation.resume(returning: $0) } }
        }
        try? await eventLoop.flatSubmit { link.close() }.get()
        return try outcome.get()
    }
}

/// The commands under way.
///
/// Unchecked: its variables are touched on the link's event loop only.
private final class Questions: RedisLinkDelegate, @unchecked Sendable {
    private let link: RedisLink
    private let commands: ByteBuffer
    private let count: Int
    private var answers: [RedisAnswer] = []
    private var finish: ((Result<[RedisAnswer], BusError>) -> Void)?

    init(link: RedisLink, commands: ByteBuffer, count: Int) {
        self.link = link
        self.commands = commands
        self.count = count
    }

    func start(_ finish: @escaping (Result<[RedisAnswer], BusError>) -> Void) {
        self.finish = finish
        link.start(delegate: self)
    }

    private func end(_ result: Result<[RedisAnswer], BusError>) {
        finish?(result)
        finish = nil
    }

    var isAwaitingAnswers: Bool { finish != nil }

    func linkConnected() { link.send(commands) }

    func linkReceived(_ value: RESPValue) {
        answers.append(RedisAnswer(value))
        if answers.count == count { end(.success(answers)) }
    }

    func linkReadCompleted() {}

    /// The first failure is the last: nobody waits for another try.
    func linkFailed(_ error: BusError, wasUp: Bool) { end(.failure(error)) }
}
