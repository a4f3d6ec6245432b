import Foundation
import Outbox
import Postgres
import ServiceLifecycle

/// Shows how far a job is until it ends or stands still, or its watcher has seen enough. The job goes on without it.
struct ReplayJobFollower: Service {
    /// Between two looks.
    private static let pause: Duration = .milliseconds(500)
    /// Between two lines where there is no terminal.
    private static let linePause: Duration = .seconds(5)

    let configuration: PostgresConfiguration
    let id: Int64

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await follow() }
        } catch is CancellationError {
            if isTerminal { write("\n") }
            StandardError.write(ReplayJobText.hint(id))
        }
    }

    private var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    private func follow() async throws {
        let connection = try await PostgresConnection.connect(configuration)
        do {
            try await watch(ReplayJobStore(executor: connection, isPatient: true))
            await connection.close()
        } catch {
            await connection.close()
            throw error
        }
    }

    private func watch(_ store: ReplayJobStore) async throws {
        var nextLine = ContinuousClock.now
        while true {
            guard let job = try await store.job(id) else { throw CommandFailure("There is no job \(id).") }
            let isOver = job.state != .running
            if isTerminal {
                // To the start of the line, and what was longer goes.
                write("\r\(ReplayJobText.progress(job, withBar: true))\u{1B}[K\(isOver ? "\n" : "")")
            } else if isOver || ContinuousClock.now >= nextLine {
                StandardError.write(ReplayJobText.progress(job, withBar: false))
                nextLine = .now + Self.linePause
            }
            if job.state == .failed {
                throw CommandFailure("Job \(id) has failed; belfry jobs resume \(id) tries again.")
            }
            if isOver { return }
            try await Task.sleep(for: Self.pause)
        }
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
