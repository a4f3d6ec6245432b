import Foundation
import Postgres
import Synchronization

/// Whether notifications of PostgreSQL arrive where a relay would listen for them.
enum ListenProbe {
    enum Outcome: Sendable, Hashable {
        case heard
        /// - Parameter isOwnURL: it was `postgres.listenUrl` that leads through a pooler.
        case lost(isOwnURL: Bool)
        case failed(String)
    }

    /// One name for all tries: behind a pooler a session of its may listen on it for ever after.
    private static let channel = "belfry_doctor"
    private static let patience: Duration = .seconds(2)
    private static let notify = PostgresStatement("", "select pg_notify('belfry_doctor', $1)")

    /// - Parameters:
    ///   - listening: where a relay listens.
    ///   - isOwnURL: whether that is an URL of its own.
    ///   - other: another connection, to notify on.
    static func run(
        listening: PostgresConfiguration, isOwnURL: Bool, notifyingOn other: PostgresConnection
    ) async -> Outcome {
        do throws(PostgresError) {
            let connection = try await PostgresConnection.connect(listening)
            let outcome = try await listen(connection, isOwnURL: isOwnURL, other)
            await connection.close()
            return outcome
        } catch {
            return .failed(error.sentence)
        }
    }

    private static func listen(
        _ connection: PostgresConnection, isOwnURL: Bool, _ other: PostgresConnection
    ) async throws(PostgresError) -> Outcome {
        let token = UUID().uuidString
        let heard = Heard()
        try await connection.listen(to: channel) { _, payload in
            if payload == token { heard.set() }
        }
        _ = try await other.execute(notify, [.text(token)])
        let deadline = ContinuousClock.now + patience
        while !heard.isSet, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(10)) }
        try? await connection.run("unlisten \(channel)")
        return heard.isSet ? .heard : .lost(isOwnURL: isOwnURL)
    }

    /// Set on the connection's thread.
    private final class Heard: Sendable {
        private let state = Atomic<Bool>(false)
        var isSet: Bool { state.load(ordering: .acquiring) }
        func set() { state.store(true, ordering: .releasing) }
    }
}
