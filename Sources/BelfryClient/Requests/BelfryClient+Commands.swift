import Foundation
import NIOCore
import STOMP

extension BelfryClient {
    /// The user's messages, newest first. What was deleted, cancelled, has expired or is put off is left out, and so
    /// are broadcasts.
    ///
    /// - Parameters:
    ///   - before: an id; only older ones.
    ///   - after: an id; only newer ones.
    ///   - limit: 1 to 100; 50 when left out.
    ///   - type: only those of it.
    ///   - isUnviewed: only those that have not been viewed.
    public func history(
        before: String? = nil, after: String? = nil, limit: Int? = nil, type: String? = nil, isUnviewed: Bool = false
    ) async throws -> HistoryPage {
        try await ask(
            "history", HistoryBody(before: before, after: after, limit: limit, type: type, unviewed: isUnviewed))
    }

    /// How many messages are not viewed, and not seen.
    public func unread() async throws -> Counts {
        try await ask("unread", [String: String]())
    }

    /// Marks messages as viewed, on all of the user's devices.
    ///
    /// - Parameter ids: 1,000 at most.
    public func markViewed(_ ids: [String]) async throws -> Counts {
        try await ask("viewed", ["ids": ids])
    }

    /// Marks everything up to a message as viewed: one small write, however many they are.
    public func markViewed(upTo id: String) async throws -> Counts {
        try await ask("viewed", ["upTo": id])
    }

    /// Says up to where an open list has shown the user's messages: the badge counts what came after.
    public func markSeen(upTo id: String) async throws -> Counts {
        try await ask("seen", ["upTo": id])
    }

    /// Takes messages out of the user's history, and of what is still to come.
    ///
    /// - Parameter ids: 1,000 at most.
    public func delete(_ ids: [String]) async throws -> Counts {
        try await ask("delete", ["ids": ids])
    }

    /// Puts a message off: it goes away, and comes back as a new one.
    ///
    /// - Parameter until: within the next 366 days.
    /// - Returns: the id under which it comes back; `nil` when the user has no such message.
    public func snooze(_ id: String, until: Date) async throws -> String? {
        let milliseconds = Int64(exactly: (until.timeIntervalSince1970 * 1_000).rounded()) ?? .max
        let answer: SnoozeAnswer = try await ask(
            "snooze", SnoozeBody(id: id, until: milliseconds), isRepeatable: false)
        return answer.snoozedAs
    }

    private struct HistoryBody: Encodable {
        let before: String?
        let after: String?
        let limit: Int?
        let type: String?
        let unviewed: Bool
    }

    private struct SnoozeBody: Encodable {
        let id: String
        let until: Int64
    }

    private struct SnoozeAnswer: Decodable { let snoozedAs: String? }

    /// A command and its answer.
    ///
    /// - Parameter isRepeatable: the same twice does no harm.
    private func ask<Answer: Decodable>(
        _ name: String, _ body: some Encodable, isRepeatable: Bool = true
    ) async throws -> Answer {
        let frame = Frame(
            .send, ["destination": "/app/\(name)", "content-type": "application/json"],
            body: ByteBuffer(bytes: try JSONEncoder().encode(body)))
        let request = RequestTable.Request(frame: frame, isCommand: true, isRepeatable: isRepeatable)
        let reply = try await core.answer { $0.ask(request, $1) }
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(reply.body.readableBytesView))
        } catch {
            throw BelfryClientError(
                .unexpectedAnswer, "The server's answer to '\(name)' is not understood.", underlying: error)
        }
    }
}

extension ClientCore {
    /// Asks on the event loop and waits; takes the question back when the task is cancelled.
    func answer(
        _ ask: @escaping @Sendable (ClientCore, RequestTable.Ticket) -> EventLoopFuture<Frame>
    ) async throws -> Frame {
        let ticket = RequestTable.Ticket()
        return try await withTaskCancellationHandler {
            try await eventLoop.flatSubmit { ask(self, ticket) }.get()
        } onCancel: {
            eventLoop.execute { self.cancel(ticket) }
        }
    }
}
