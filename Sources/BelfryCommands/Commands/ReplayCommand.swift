import ArgumentParser
import BelfryModel
import Outbox

/// `belfry replay`: delivers messages again.
struct ReplayCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Deliver messages again, chosen by all the criteria given.",
        discussion: """
            Delivered messages come back only with --delivered. Times are \(TimePoint.hint) ago.

            What is more than some thousand messages goes as a job: with --job the leading relay does it in batches, \
            at most --rate messages a second, and this command ends at once, or shows with --follow how far it is. \
            See belfry jobs.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .customLong("id"), parsing: .upToNextOption, help: "Messages by id.")
    var ids: [String] = []

    @OptionGroup var messages: MessageOptions

    @Flag(help: "Take delivered messages too.")
    var delivered = false

    @Flag(name: .customLong("dry-run"), help: "Only show what would be done.")
    var dryRun = false

    @Flag(help: "Have the relay do it, in batches.")
    var job = false

    @Option(
        help: ArgumentHelp(
            "With --job: messages a second at most; \(ReplayJobStore.rateDefault) when absent.", valueName: "count"))
    var rate: Int?

    @Flag(help: "With --job: show how far it is until it is done; Ctrl-C leaves it running.")
    var follow = false

    func validate() throws {
        _ = try criteria()
        guard job || rate == nil && !follow else { throw ValidationError("--rate and --follow go with --job.") }
        guard !follow || !dryRun else { throw ValidationError("There is nothing to --follow of a --dry-run.") }
        guard rate.map(ReplayJobStore.rates.contains) ?? true else {
            let (low, high) = (ReplayJobStore.rates.lowerBound, ReplayJobStore.rates.upperBound)
            throw ValidationError("--rate must be from \(low) to \(high) messages a second.")
        }
    }

    func execute() async throws {
        let criteria = try criteria()
        if job {
            try await makeJob(criteria)
        } else {
            try await replay(criteria)
        }
    }

    private func makeJob(_ criteria: ReplayCriteria) async throws {
        let configuration = try await options.load()
        let rate = rate ?? ReplayJobStore.rateDefault
        if dryRun {
            let estimate = try await OperatorConnection.withJobs(configuration) { store in
                try await store.estimate(criteria, rate: rate)
            }
            return print(ReplayJobText.estimate(estimate, rate: rate))
        }
        let id = try await OperatorConnection.withJobs(configuration) { store in
            try await store.create(criteria, rate: rate)
        }
        StandardOutput.write("\(id)")
        guard follow else { return StandardError.write(ReplayJobText.hint(id)) }
        try await Serving.run(
            ReplayJobFollower(configuration: try OperatorConnection.configuration(configuration), id: id), listen: nil)
    }

    private func replay(_ criteria: ReplayCriteria) async throws {
        let messages = try await OperatorConnection.with(try await options.load()) { store in
            try await store.replay(criteria, dryRun: dryRun)
        }
        for message in messages {
            print("\(message.id)\t\(message.previousStatus ?? "–")\t\(message.action)")
        }
        let skipped = messages.filter { $0.action.hasPrefix("skip") }.count
        let count = messages.count - skipped
        StandardError.write(
            "\(count) \(count == 1 ? "message" : "messages") \(dryRun ? "would" : "will") be delivered again"
                + (skipped > 0 ? ", \(skipped) skipped." : "."))
    }

    private func criteria() throws -> ReplayCriteria {
        var criteria = ReplayCriteria()
        if !ids.isEmpty { criteria.ids = try ids.map(Self.id) }
        criteria.receiver = messages.user
        criteria.topic = messages.topic
        criteria.type = messages.type
        criteria.since = try messages.sinceTime()
        criteria.until = try messages.untilTime()
        criteria.status = try messages.knownStatus()
        criteria.includeDelivered = delivered
        guard criteria != ReplayCriteria() else {
            throw ValidationError("Give at least one of --id, --user, --topic, --type, --since, --until and --status.")
        }
        if delivered, criteria.ids == nil, messages.isEmpty {
            throw ValidationError("--delivered alone would replay everything: give another criterion with it.")
        }
        return criteria
    }

    private static func id(_ text: String) throws -> MessageID {
        guard let id = MessageID(text) else {
            throw ValidationError("--id must be positive numbers, not '\(text)'.")
        }
        return id
    }
}
