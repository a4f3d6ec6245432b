import ArgumentParser

/// `belfry doctor`: looks at the whole installation, and says what is wrong and how to mend it.
struct DoctorCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look at PostgreSQL, Redis, relay and nodes, and say what is wrong and what mends it.",
        discussion: """
            The exit status is 0 when nothing has to be done, 1 for warnings, 2 for what is critical: messages do not \
            come, or may get lost. postgres.url names a role in belfry_operator; with pg_read_all_stats it sees the \
            queries of others. It changes nothing without --repair, waits for no lock, and gives up each look at \
            PostgreSQL after five seconds. Redis is looked at from here, and from nodes only where --node names them.
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var redis: RedisOptions

    @Flag(help: "Print a JSON object: severity, findings with code, severity, sentence and command, repairs.")
    var json = false

    @Flag(
        help: """
            Queue again what is pending and not in the outbox, and remove rows of the outbox without a message (which \
            takes a role in belfry_service). Nothing else is changed.
            """)
    var repair = false

    @Option(
        name: .customLong("node"),
        help: ArgumentHelp(
            "A node, or a relay with relay.listen, to ask about itself; may be repeated.", valueName: "url"))
    var nodes: [String] = []

    @Option(help: "How long the relay is watched for terms that climb, such as 10s.")
    var watch = "3s"

    @Option(
        name: .customLong("log-rows"),
        help: "In how many of the newest messages to look for pending ones without a row of the outbox.")
    var logRows = DoctorThresholds().logRows

    func validate() throws {
        guard DurationText.parse(watch) != nil else { throw ValidationError("--watch must be \(DurationText.hint).") }
        guard logRows > 0 else { throw ValidationError("--log-rows must be a positive number.") }
        guard nodes.allSatisfy({ $0.hasPrefix("http://") || $0.hasPrefix("https://") }) else {
            throw ValidationError("--node must be a URL such as http://node-1:8080.")
        }
    }

    func execute() async throws {
        let report = await examine()
        print(json ? try report.json() : report.text)
        guard report.exitStatus == 0 else { throw ExitCode(report.exitStatus) }
    }

    private func examine() async -> DoctorReport {
        let configuration: BelfryConfiguration
        do {
            configuration = try await options.load(redis.flags)
        } catch {
            return DoctorReport(findings: [
                Finding(
                    "settings-faulty", .critical, "The settings can't be used: \(CommandFailure(error))",
                    mend: "belfry settings --markdown  # what there is")
            ])
        }
        var doctor = Doctor(configuration: configuration)
        doctor.thresholds.logRows = logRows
        doctor.watch = DurationText.parse(watch) ?? doctor.watch
        doctor.nodes = nodes
        doctor.isRepairing = repair
        return await doctor.examine()
    }
}
