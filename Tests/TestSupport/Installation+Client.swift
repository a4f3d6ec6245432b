import BelfryClient

extension Installation {
    /// A program of a user's that runs a client, at the first node or another. The client has ended when this returns.
    ///
    /// - Parameter configure: changes its configuration; pauses between connections are short.
    public func withClient<Result: Sendable>(
        of user: String, node: Int = 0, configure: (inout BelfryClient.Configuration) -> Void = { _ in },
        _ body: (BelfryClient) async throws -> Result
    ) async throws -> Result {
        var configuration = BelfryClient.Configuration()
        configuration.retryPauseFirst = .milliseconds(20)
        configuration.retryPauseMax = .seconds(1)
        configuration.logger = .quiet
        configure(&configuration)
        let client = BelfryClient(
            url: "ws://127.0.0.1:\(nodes[node].port)/ws", token: user, configuration: configuration)
        return try await client.running { try await body(client) }
    }
}

extension BelfryClient {
    /// Runs it while `body` does, for a time: after that nothing comes any more, and what waits for something fails.
    public func running<Result: Sendable>(
        within limit: Duration = .seconds(90), _ body: () async throws -> Result
    ) async throws -> Result {
        async let _: Void = withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.run() }
            group.addTask { try await Task.sleep(for: limit) }
            _ = try await group.next()
            group.cancelAll()
        }
        // Leaving cancels it, and waits.
        return try await body()
    }
}

extension BelfryClient.Messages.AsyncIterator {
    /// The next messages.
    public mutating func next(_ count: Int) async throws -> [BelfryClient.Message] {
        var messages: [BelfryClient.Message] = []
        while messages.count < count, let message = try await next() { messages.append(message) }
        return messages
    }
}
