import ArgumentParser
import Foundation
import Outbox
import Postgres
import Synchronization

/// `belfry export`: writes messages out.
struct ExportCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write messages to standard output, chosen by all the criteria given.",
        discussion: """
            In the order of their ids, each as it is when its turn comes. Times are \(TimePoint.hint) ago. What \
            retention deletes next can be kept so: belfry export --until 90d > old.ndjson
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "Lines of JSON (ndjson), or csv.")
    var format: ExportFormat = .ndjson

    @Option(help: "Messages of a user.")
    var user: String?

    @Option(help: "Messages of a topic.")
    var topic: String?

    @Option(help: "Messages of a type.")
    var type: String?

    @Option(help: ArgumentHelp("Messages written then or later.", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("Messages written before then.", valueName: "time"))
    var until: String?

    @Option(help: "Messages with a status: \(MessageStatuses.list).")
    var status: String?

    func validate() throws {
        _ = try criteria()
    }

    func execute() async throws {
        let criteria = try criteria()
        let connection = try await PostgresConnection.connect(
            OperatorConnection.configuration(try await options.load()))
        let output = ExportOutput()
        do {
            try await ExportStore(connection: connection).run(criteria, format: format) { try output.write($0) }
            try output.finish()
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        let count = output.lines - (format == .csv ? 1 : 0)
        StandardError.write("\(count) \(count == 1 ? "message was" : "messages were") written.")
    }

    private func criteria() throws -> ExportCriteria {
        var criteria = ExportCriteria()
        criteria.receiver = user
        criteria.topic = topic
        criteria.type = type
        criteria.since = try TimePoint.option(since, "--since")
        criteria.until = try TimePoint.option(until, "--until")
        criteria.status = try MessageStatuses.checked(status)
        return criteria
    }
}

extension ExportFormat: ExpressibleByArgument {}

/// Standard output, in large pieces.
private final class ExportOutput: Sendable {
    private static let bytesMax = 64 * 1024

    private struct State {
        var buffer = Data()
        var lines = 0
    }
    private let state = Mutex(State())

    /// COPY's rows, which have been handed over; a row of CSV may have several lines.
    var lines: Int { state.withLock { $0.lines } }

    func write(_ row: UnsafeRawBufferPointer) throws {
        let full = state.withLock { state -> Data? in
            state.buffer.append(contentsOf: row)
            state.lines += 1
            guard state.buffer.count >= Self.bytesMax else { return nil }
            defer { state.buffer = Data() }
            return state.buffer
        }
        if let full { try FileHandle.standardOutput.write(contentsOf: full) }
    }

    func finish() throws {
        try FileHandle.standardOutput.write(contentsOf: state.withLock { $0.buffer })
    }
}
