import ArgumentParser

/// `belfry dev`: everything in one terminal, for trying Belfry and for developing with it.
struct DevCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Run Belfry with a private PostgreSQL and a private Redis.",
        discussion: """
            Needs PostgreSQL 15 or later and redis-server installed, but not running. The servers listen on 127.0.0.1 \
            only, and nobody has to prove who he is: the token is the user's id. The data lie in .dev, which is \
            deleted at the end unless it was there before; a folder that --data names is kept.
            """)

    @OptionGroup(title: "Settings") var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Where to serve HTTP and WebSocket (listen).", valueName: "host:port"))
    var listen: String?

    @Option(help: ArgumentHelp("Where to serve STOMP over TCP (stomp.listen).", valueName: "host:port"))
    var stomp: String?

    @Flag(help: "Allow an address that other machines can reach, where anybody can be any user (devBeyondLoopback).")
    var devBeyondLoopback = false

    @Option(help: ArgumentHelp("Keep the servers' data in this folder.", valueName: "folder"))
    var data: String?

    @Flag(help: "Keep .dev for the next time.")
    var keep = false

    @Flag(
        name: .customLong("no-redis"), help: "Run without Redis: relay and node are one process, with a bus in memory.")
    var withoutRedis = false

    func execute() async throws {
        // The text for the user should not drown in the log's.
        var configuration = try await options.load(
            [
                "listen": listen, "stomp.listen": stomp, "devBeyondLoopback": devBeyondLoopback ? "true" : nil,
            ],
            // Nobody waits for a load balancer to notice the end.
            defaults: ["log.level": "warning", "stomp.listen": "127.0.0.1:0", "limits.drainPause": "0s"])
        configuration.authentication = .dev
        LogBootstrap.run(configuration)
        // Before anything is said to start.
        try AuthenticatorChoice.check(configuration)
        let folder = DevelopmentFolder(path: data, keep: keep)
        defer { folder.remove() }
        StandardOutput.write("Starting PostgreSQL\(withoutRedis ? "" : " and Redis") …")
        let service = DevelopmentService(
            configuration: configuration, folder: folder, withRedis: !withoutRedis,
            registry: MetricsSetup.bootstrap(roles: [.relay, .node]))
        try await Serving.run(service, listen: configuration.listen)
    }
}
