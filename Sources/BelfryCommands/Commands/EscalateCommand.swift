import ArgumentParser
import Outbox

/// `belfry escalate`: has the application told of what is not delivered.
struct EscalateCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "escalate",
        abstract: "Tell the application, by a webhook, of messages of a type that are undelivered for so long.",
        discussion: """
            The leading relay sends the webhooks, signed with its setting escalation.secret; docs/escalation.md says \
            what comes and how it is verified. A type has one rule: given again, it is changed. What is overdue \
            already is left alone, unless --overdue is given. Broadcasts are not escalated.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The notification type.")
    var type: String

    @Option(help: ArgumentHelp("How long a message may be undelivered, such as 10m or 1d.", valueName: "duration"))
    var after: String?

    @Option(help: ArgumentHelp("Where the webhook goes, by https.", valueName: "URL"))
    var url: String?

    @Flag(help: "Escalate what is overdue already, too.")
    var overdue = false

    @Flag(help: "Remove the rule, and withdraw what waits.")
    var stop = false

    func validate() throws {
        if stop {
            guard after == nil, url == nil, !overdue else { throw ValidationError("--stop goes alone.") }
        } else {
            _ = try seconds()
            guard url != nil else { throw ValidationError("Give --after and --url, or --stop.") }
        }
    }

    func execute() async throws {
        let configuration = try await options.load()
        if stop {
            let stopped = try await OperatorConnection.withEscalations(configuration) { try await $0.stop(type) }
            guard stopped else { throw CommandFailure("The type \(type) has no rule: see belfry escalations rules.") }
            return StandardError.write("Messages of the type \(type) are escalated no more.")
        }
        let (seconds, url) = (try seconds(), url ?? "")
        let rule = try await OperatorConnection.withEscalations(configuration) { store in
            try await store.escalate(type, after: seconds, url: url, includeOverdue: overdue)
            return try await store.rules().first { $0.type == type }
        }
        if let rule { print(EscalationText.line(rule)) }
    }

    private func seconds() throws -> Int64 {
        guard let after, let duration = DurationText.parse(after) else {
            throw ValidationError("--after is \(DurationText.hint).")
        }
        guard duration >= .seconds(1), duration.components.attoseconds == 0 else {
            throw ValidationError("--after is in whole seconds, one at least.")
        }
        return duration.components.seconds
    }
}
