import OutgoingHTTP
import ServiceLifecycle

/// What an authenticator needs beside the clients it is asked about: keys and lists that are looked after, connections
/// to others.
struct AuthenticationService: Service {
    /// Each runs until its task is cancelled.
    var tasks: [@Sendable () async -> Void] = []
    /// Let go at the end.
    var clients: [OutgoingHTTPClient] = []

    func run() async throws {
        await cancelWhenGracefulShutdown { [tasks] in
            await withTaskGroup(of: Void.self) { group in
                for task in tasks { group.addTask(operation: task) }
                // With no task at all it waits all the same.
                group.addTask { try? await gracefulShutdown() }
            }
        }
        for client in clients { await client.shutdown() }
    }
}
