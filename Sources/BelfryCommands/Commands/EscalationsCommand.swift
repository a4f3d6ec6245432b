import ArgumentParser
import BelfryModel
import Outbox

/// `belfry escalations`: what the application was told of, and was not.
struct EscalationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "escalations",
        abstract: "See what the application was told of by webhooks, and try again what it did not accept.",
        subcommands: [List.self, Rules.self, Retry.self],
        defaultSubcommand: List.self)

    /// `belfry escalations list`
    struct List: BelfrySubcommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "The newest messages: id, type, state, tries, what comes next or came last.")

        @OptionGroup var options: ConfigurationOptions

        @Option(help: "Only those that are waiting, sent, failed or withdrawn.")
        var state: String?

        @Option(help: "Only those of a type.")
        var type: String?

        @Option(help: ArgumentHelp("Only those before a message: the last id of the page before.", valueName: "id"))
        var before: String?

        @Option(help: "Messages at most.")
        var limit = 20

        @Flag(help: "Print each as a JSON object in a line.")
        var json = false

        func validate() throws {
            guard (1...EscalationStore.pageMax).contains(limit) else {
                throw ValidationError("--limit must be from 1 to \(EscalationStore.pageMax).")
            }
            _ = try knownState()
            _ = try beforeID()
        }

        func execute() async throws {
            let (state, before) = (try knownState(), try beforeID())
            let page = try await OperatorConnection.withEscalations(try await options.load()) { store in
                try await store.page(state: state, type: type, before: before?.rawValue, limit: limit)
            }
            for escalation in page {
                StandardOutput.write(json ? VisibleText.inJSON(escalation.json) : EscalationText.line(escalation))
            }
        }

        private func knownState() throws -> Escalation.State? {
            guard let state else { return nil }
            guard let known = Escalation.State(rawValue: state) else {
                let all = Escalation.State.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--state is one of \(all), not '\(state)'.")
            }
            return known
        }

        private func beforeID() throws -> MessageID? {
            guard let before else { return nil }
            guard let id = MessageID(before) else {
                throw ValidationError("--before is a message's id, not '\(before)'.")
            }
            return id
        }
    }

    /// `belfry escalations rules`
    struct Rules: BelfrySubcommand {
        static let configuration = CommandConfiguration(
            commandName: "rules",
            abstract: "The rules: type, time, what waits, was sent and was given up, where to, what is wrong.")

        @OptionGroup var options: ConfigurationOptions

        @Flag(help: "Print each as a JSON object in a line.")
        var json = false

        func execute() async throws {
            let rules = try await OperatorConnection.withEscalations(try await options.load()) { try await $0.rules() }
            for rule in rules {
                StandardOutput.write(json ? VisibleText.inJSON(rule.json) : EscalationText.line(rule))
            }
        }
    }

    /// `belfry escalations retry`
    struct Retry: BelfrySubcommand {
        static let configuration = CommandConfiguration(
            commandName: "retry",
            abstract: "Send webhooks that were given up after all, and now those that wait for a further try.")

        @OptionGroup var options: ConfigurationOptions

        @Option(name: .customLong("id"), parsing: .upToNextOption, help: "Those of these messages.")
        var ids: [String] = []

        @Option(help: "Those of a type, 10000 at most.")
        var type: String?

        func validate() throws {
            _ = try messageIDs()
            guard ids.isEmpty != (type == nil) else { throw ValidationError("Give --id or --type.") }
        }

        func execute() async throws {
            let messages = try messageIDs()
            let count = try await OperatorConnection.withEscalations(try await options.load()) { store in
                if let type { return try await store.retry(type: type) }
                return try await store.retry(messages.map(\.rawValue))
            }
            StandardError.write("\(count) \(count == 1 ? "webhook is" : "webhooks are") tried again.")
        }

        private func messageIDs() throws -> [MessageID] {
            try ids.map { text in
                guard let id = MessageID(text) else {
                    throw ValidationError("--id must be positive numbers, not '\(text)'.")
                }
                return id
            }
        }
    }
}
