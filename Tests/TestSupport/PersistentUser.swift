import NIOConcurrencyHelpers
import STOMP

/// A user's browser: connects, subscribes, acknowledges what comes, and connects again, to the next node, when the
/// connection ends. What it saw is kept for the checker.
public final class PersistentUser: Sendable {
    /// One arrival, in the order of arrival.
    public struct Arrival: Sendable {
        public let id: Int64
        /// Counts the user's sessions.
        public let session: Int
        public let isRedelivered: Bool
    }

    /// How one of its sessions ended.
    public struct End: Sendable {
        public let time: ContinuousClock.Instant
        /// That of the server's Close frame; `nil` when there was none.
        public let code: UInt16?
    }

    public let name: String
    private let ports: [Int]
    private let arrivalsSeen = NIOLockedValueBox<[Arrival]>([])
    private let endsSeen = NIOLockedValueBox<[End]>([])
    private let task = NIOLockedValueBox<Task<Void, Never>?>(nil)

    public init(_ name: String, ports: [Int], firstPort: Int) {
        self.name = name
        self.ports = ports
        task.withLockedValue { task in
            task = Task { await self.run(from: firstPort) }
        }
    }

    public var arrivals: [Arrival] { arrivalsSeen.withLockedValue { $0 } }

    /// The ends of its sessions, but for the last one.
    public var ends: [End] { endsSeen.withLockedValue { $0 } }

    public func stop() async {
        let running = task.withLockedValue { $0 }
        running?.cancel()
        await running?.value
    }

    private func run(from first: Int) async {
        var session = 0
        while !Task.isCancelled {
            let port = ports[(first + session) % ports.count]
            session += 1
            if let client = try? await STOMPClient.connect(port: port, token: name) {
                try? await listen(client, session: session)
                await client.socket.abort()
            } else {
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    /// Acknowledges until the connection ends.
    private func listen(_ client: STOMPClient, session: Int) async throws {
        try await client.subscribe("/user/queue/msg")
        while !Task.isCancelled, !client.isEnded {
            for frame in client.takeFrames() where frame.command == .message {
                let arrival = Arrival(
                    id: frame.messageID, session: session, isRedelivered: frame.headers["redelivered"] == "true")
                arrivalsSeen.withLockedValue { $0.append(arrival) }
                try await client.ack(frame)
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        guard client.isEnded else { return }
        let end = End(time: .now, code: try? await client.ended())
        endsSeen.withLockedValue { $0.append(end) }
    }
}
