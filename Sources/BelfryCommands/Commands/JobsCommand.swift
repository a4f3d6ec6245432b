import ArgumentParser
import Outbox

/// `belfry jobs`: replays that the relay carries out.
struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "Watch, pause, resume and cancel the jobs that belfry replay --job makes.",
        subcommands: [List.self, Show.self, Follow.self, Pause.self, Resume.self, Cancel.self],
        defaultSubcommand: List.self)

    /// `belfry jobs list`
    struct List: BelfrySubcommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "The newest jobs: id, state, progress, messages queued, rate, maker, criteria.")

        @OptionGroup var options: ConfigurationOptions

        @Option(help: "Jobs at most.")
        var limit = 20

        @Flag(help: "Print each job as a JSON object in a line.")
        var json = false

        func validate() throws {
            guard (1...1_000).contains(limit) else { throw ValidationError("--limit must be from 1 to 1000.") }
        }

        func execute() async throws {
            let jobs = try await OperatorConnection.withJobs(try await options.load()) { store in
                try await store.jobs(limit: limit)
            }
            for job in jobs { print(json ? job.json : ReplayJobText.line(job)) }
        }
    }

    /// `belfry jobs show`
    struct Show: BelfrySubcommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "All there is to say of a job.")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var job: JobArgument

        @Flag(help: "Print it as a JSON object.")
        var json = false

        func execute() async throws {
            let found = try await OperatorConnection.withJobs(try await options.load()) { store in
                try await store.job(job.id)
            }
            guard let found else { throw CommandFailure("There is no job \(job.id).") }
            print(json ? found.json : ReplayJobText.page(found))
        }
    }

    /// `belfry jobs follow`
    struct Follow: BelfrySubcommand {
        static let configuration = CommandConfiguration(
            commandName: "follow", abstract: "Show how far a job is until it ends; Ctrl-C leaves it running.")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var job: JobArgument

        func execute() async throws {
            let configuration = try await options.load()
            try await Serving.run(
                ReplayJobFollower(configuration: try OperatorConnection.configuration(configuration), id: job.id),
                listen: nil)
        }
    }

    /// `belfry jobs pause`
    struct Pause: BelfrySubcommand {
        static let configuration = CommandConfiguration(
            commandName: "pause", abstract: "Queue nothing more of a job until it is resumed.")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var job: JobArgument

        func execute() async throws { try await job.change(.pause, options) }
    }

    /// `belfry jobs resume`
    struct Resume: BelfrySubcommand {
        static let configuration = CommandConfiguration(
            commandName: "resume", abstract: "Go on with a job that is paused or has failed.")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var job: JobArgument

        func execute() async throws { try await job.change(.resume, options) }
    }

    /// `belfry jobs cancel`
    struct Cancel: BelfrySubcommand {
        static let configuration = CommandConfiguration(
            commandName: "cancel", abstract: "End a job; what it has queued is delivered all the same.")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var job: JobArgument

        func execute() async throws { try await job.change(.cancel, options) }
    }
}

/// Which job.
struct JobArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("A job's id, as belfry jobs lists it.", valueName: "job"))
    var id: Int64

    func change(_ change: ReplayJobChange, _ options: ConfigurationOptions) async throws {
        let changed = try await OperatorConnection.withJobs(try await options.load()) { store in
            try await store.change(id, change)
        }
        print(ReplayJobText.line(changed))
    }
}
