import ArgumentParser
import Foundation
import Outbox

/// `belfry status`: the state of the whole installation.
struct StatusCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show pending messages, the relay and its lag, nodes and sessions.")

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Print a JSON object; ages are in seconds.")
    var json = false

    @Flag(name: .customLong("by-type"), help: "Count pending messages by type as well, which reads each of them.")
    var byType = false

    func execute() async throws {
        let status = try await OperatorConnection.with(try await options.load()) { store in
            try await store.status(byType: byType)
        }
        print(json ? try Self.document(status) : StatusReport.text(status))
    }

    private static func document(_ status: OperatorStatus) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(Document(status: status)), as: UTF8.self)
    }

    /// The status with the sum of the sessions beside its own members.
    private struct Document: Encodable {
        let status: OperatorStatus

        private enum CodingKeys: String, CodingKey { case sessions }

        func encode(to encoder: any Encoder) throws {
            try status.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(status.sessions, forKey: .sessions)
        }
    }
}
