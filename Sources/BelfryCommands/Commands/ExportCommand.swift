import ArgumentParser
import Foundation
import Outbox
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

    @OptionGroup var messages: MessageOptions

    func validate() throws {
        _ = try criteria()
    }

    func execute() async throws {
        let criteria = try criteria()
        let output = ExportOutput()
        try await OperatorConnection.connected(try await options.load()) { connection in
            try await ExportStore(connection: connection).run(criteria, format: format) { try output.write($0) }
            try output.finish()
        }
        let count = output.lines - (format == .csv ? 1 : 0)
        StandardError.write("\(count) \(count == 1 ? "message was" : "messages were") written.")
    }

    private func criteria() throws -> ExportCriteria {
        var criteria = ExportCriteria()
        criteria.receiver = messages.user
        criteria.topic = messages.topic
        criteria.type = messages.type
        criteria.since = try messages.sinceTime()
        criteria.until = try messages.untilTime()
        criteria.status = try messages.knownStatus()
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
