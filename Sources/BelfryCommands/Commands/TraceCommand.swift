import ArgumentParser
import BelfryModel
import Foundation
import Outbox

/// `belfry trace`: where a message is, and what became of it.
struct TraceCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Say where a message is, what it waits for, and what happened to it when.",
        discussion: """
            From what PostgreSQL holds: the message, its row of the outbox, the relay's position, the sessions of its \
            receiver, what operators did; and, of messages that are traced, what relay and nodes noted: a sample \
            (trace.sample), slow ones (trace.slowerThan), those that failed, those with a sampled traceparent among \
            their headers, and those that belfry watch asks for. Times are PostgreSQL's. When it was committed is \
            known where track_commit_timestamp is on, while the message is in the outbox or its hops are kept.
            """)

    /// Between two looks of `--follow`.
    private static let pause: Duration = .milliseconds(500)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The message's id.")
    var id: String

    @Flag(help: "Print a JSON object; times are in seconds since 1970.")
    var json = false

    @Flag(help: "Go on until it is delivered, or nothing more can happen, and say what changes.")
    var follow = false

    func validate() throws {
        _ = try messageID()
    }

    func execute() async throws {
        let id = try messageID()
        try await OperatorConnection.connected(try await options.load()) { connection in
            try await trace(id, TraceStore(executor: connection))
        }
    }

    private func trace(_ id: MessageID, _ store: TraceStore) async throws {
        var last: TraceReport?
        while !Task.isCancelled {
            let report = TraceReport(id, try await store.facts(of: id))
            // Ages in the sentence change with every look.
            if report.place != last?.place || report.events != last?.events {
                StandardOutput.write(json ? try Self.document(report, isLine: follow) : report.text)
            }
            last = report
            guard follow, !report.isOver else { return }
            try await Task.sleep(for: Self.pause)
        }
    }

    private func messageID() throws -> MessageID {
        guard let id = MessageID(id) else {
            throw ValidationError("A message's id is a positive number, not '\(id)'.")
        }
        return id
    }

    private static func document(_ report: TraceReport, isLine: Bool) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            isLine
            ? [.sortedKeys, .withoutEscapingSlashes]
            : [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return VisibleText.inJSON(String(decoding: try encoder.encode(report), as: UTF8.self))
    }
}
