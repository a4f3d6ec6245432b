import Foundation
import Outbox
import Postgres
import ServiceLifecycle

/// Follows what is committed, from PostgreSQL, until it is told to end.
struct OperatorTail: Service {
    let configuration: PostgresConfiguration
    let criteria: TailCriteria
    let form: TailForm
    /// Whether it is told too what becomes of messages that were shown.
    let showsChanges: Bool

    /// Between two looks that found nothing more.
    private static let pause: Duration = .milliseconds(250)
    /// Between two looks for changes.
    private static let changesPause: Duration = .seconds(1)
    /// Before a lost connection is made anew.
    private static let reconnectPause: Duration = .seconds(1)

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await follow() }
        } catch is TailReaderGone {
            return
        } catch is CancellationError {
            return
        }
    }

    private func follow() async throws {
        var connection = try await PostgresConnection.connect(configuration)
        var store = try await TailStore(
            criteria, wholeObjects: form == .json, watches: showsChanges, executor: connection)
        while true {
            do {
                try await follow(&store, connection)
            } catch let error as PostgresError where connection.isClosed {
                connection = try await reconnect(after: error, &store)
            } catch {
                await connection.close()
                throw error
            }
        }
    }

    private func follow(_ store: inout TailStore, _ connection: PostgresConnection) async throws {
        var forgotten = store.forgotten
        var nextChanges = ContinuousClock.now
        while true {
            let (messages, isFull) = try await store.look(connection)
            for message in messages { try TailReaderGone.print(form.line(message)) }
            if store.forgotten > forgotten {
                forgotten = store.forgotten
                StandardError.write(
                    "Too many ids are missing, as of transactions that are open: \(forgotten) gaps are given up. What "
                        + "commits there is not shown.")
            }
            if showsChanges, ContinuousClock.now >= nextChanges {
                for change in try await store.changes(connection) { try TailReaderGone.print(form.line(change)) }
                nextChanges = .now + Self.changesPause
            }
            try Task.checkCancellation()
            if !isFull { try await Task.sleep(for: Self.pause) }
        }
    }

    private func reconnect(
        after error: PostgresError, _ store: inout TailStore
    ) async throws -> PostgresConnection {
        let sentence = "\(error)"
        StandardError.write("\(sentence)\(sentence.hasSuffix(".") ? "" : ".") It is tried again.")
        while true {
            try await Task.sleep(for: Self.reconnectPause)
            do {
                let connection = try await PostgresConnection.connect(configuration)
                try await store.resume(connection)
                StandardError.write("Connected again.")
                return connection
            } catch {
                // It was told, and goes on.
                continue
            }
        }
    }
}

/// Whoever read what is printed has gone, as in `belfry tail | head`.
struct TailReaderGone: Error {
    static func print(_ line: String) throws {
        do {
            try StandardOutput.writeIfRead(line)
        } catch {
            throw TailReaderGone()
        }
    }
}
