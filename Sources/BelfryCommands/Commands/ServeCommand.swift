import ArgumentParser

/// `belfry serve`: relay and node in one process.
struct ServeCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a relay and a node in one process.",
        discussion: "Without redis.url the bus is in memory, and this must be the only process of the installation.")

    @OptionGroup(title: "Settings") var options: ConfigurationOptions
    @OptionGroup(title: "The node") var serving: ServingOptions
    @OptionGroup(title: "Redis") var redis: RedisOptions

    func execute() async throws {
        try await Serving.run(options, [serving.flags, redis.flags], roles: [.relay, .node])
    }
}

/// `belfry relay`: brings committed messages to Redis.
struct RelayCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "relay",
        abstract: "Run a relay; several may run, one of which leads.")

    @OptionGroup(title: "Settings") var options: ConfigurationOptions
    @OptionGroup(title: "Redis") var redis: RedisOptions

    @Option(
        help: ArgumentHelp("Where to serve /health and /metrics, if at all (relay.listen).", valueName: "host:port"))
    var listen: String?

    func execute() async throws {
        try await Serving.run(options, [["relay.listen": listen], redis.flags], roles: .relay)
    }
}

/// `belfry node`: serves clients.
struct NodeCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(commandName: "node", abstract: "Run a node that serves clients.")

    @OptionGroup(title: "Settings") var options: ConfigurationOptions
    @OptionGroup(title: "The node") var serving: ServingOptions
    @OptionGroup(title: "Redis") var redis: RedisOptions

    func execute() async throws {
        try await Serving.run(options, [serving.flags, redis.flags], roles: .node)
    }
}
