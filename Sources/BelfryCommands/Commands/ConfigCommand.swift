import ArgumentParser

/// `belfry config`: about the settings, without running anything.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Say what the settings would do.", subcommands: [CheckCommand.self])

    /// `belfry config check`: what a process would do with these settings.
    struct CheckCommand: BelfrySubcommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Show where each setting comes from, what would listen where, what is missing and what is risky.",
            discussion: """
                Reads the files that are named, starts nothing and asks no other machine. Secrets are not shown. Exits \
                with 1 if the process would not start; with --strict, if anything is risky, too.
                """)

        /// The process that is to have the settings.
        enum Process: String, ExpressibleByArgument, CaseIterable {
            case serve, relay, node

            var roles: ProcessRoles {
                switch self {
                case .serve: [.relay, .node]
                case .relay: .relay
                case .node: .node
                }
            }
        }

        @Argument(help: "The process that is to have them: serve, relay or node.")
        var process = Process.serve

        @Flag(help: "Exit with 1 for what is risky, too.")
        var strict = false

        @OptionGroup(title: "Settings") var options: ConfigurationOptions
        @OptionGroup(title: "The node") var serving: ServingOptions
        @OptionGroup(title: "Redis") var redis: RedisOptions

        func execute() async throws {
            let loader = try await options.loader(serving.flags.merging(redis.flags) { $1 })
            let (configuration, origins, faults) = loader.inspect()
            let check = ConfigurationCheck(configuration: configuration, roles: process.roles)
            // What a faulty setting leaves at its default would be called missing.
            let problems = faults.isEmpty ? await check.problems() : faults.map(\.message)
            let risks =
                ConfigurationRisks.sentences(configuration, process.roles)
                + ConfigurationRisks.ofFile(loader.filePath, origins)
            print(
                ConfigurationReport.text(
                    title: process.roles.name, origins: origins, plan: check.plan, problems: problems, risks: risks),
                terminator: "")
            guard problems.isEmpty, risks.isEmpty || !strict else { throw ExitCode(1) }
        }
    }
}
