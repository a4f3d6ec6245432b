import ArgumentParser
import Foundation

/// The command line of `belfry-bench`: measures this machine, Belfry beside a floor or a peer.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "belfry-bench",
        abstract: "Measure Belfry beside a floor or a peer, in the same run.",
        discussion: """
            Each scenario starts private servers on 127.0.0.1 and runs the contenders in turn, five times each; the \
            table shows the medians and their ratio. A floor is the least code that does the same job, a peer another \
            server. Absolute figures depend on the machine and its mood, ratios much less. Peers that are not \
            installed (nginx with nchan, RabbitMQ) are left out with a note. Build both programs with -c release.

            \(AllScenarios.list.map { "\($0.name.padding(toLength: 11, withPad: " ", startingAt: 0))\($0.summary)" }
                .joined(separator: "\n"))
            """)

    @Argument(help: ArgumentHelp("The scenarios to run, or all.", valueName: "scenario"))
    var scenarios: [String]

    @Flag(help: "Fewer and shorter runs.")
    var quick = false

    @Flag(help: "Print the results as JSON, with every run's value.")
    var json = false

    @Option(help: ArgumentHelp("Also write the JSON to this file.", valueName: "file"))
    var output: String?

    @Option(
        help: ArgumentHelp(
            "The program to measure (default: the belfry in the folder of this program).", valueName: "path"))
    var belfry: String?

    @Option(
        name: .customLong("postgres-url"),
        help: ArgumentHelp(
            "Use this PostgreSQL, not a private one. Scenarios EMPTY Belfry's tables in it.", valueName: "url"))
    var postgresURL: String?

    @Option(name: .customLong("redis-url"), help: ArgumentHelp("Use this Redis, not a private one.", valueName: "url"))
    var redisURL: String?

    @Option(help: ArgumentHelp("Keep the private servers' data here while it runs.", valueName: "folder"))
    var folder: String?

    func validate() throws {
        let names = AllScenarios.list.map(\.name)
        for name in scenarios where name != "all" && !names.contains(name) {
            throw ValidationError(
                "There is no scenario '\(name)'; choose from \(names.joined(separator: ", ")), or all.")
        }
    }

    func run() async throws {
        #if DEBUG
            Console.progress("This is a debug build, many times slower than a release build: swift build -c release.")
        #endif
        let folder = URL(fileURLWithPath: self.folder ?? "/tmp/belfry-bench-\(getpid())")
        let interruption = Interruption(removing: self.folder == nil ? folder : nil)
        defer {
            interruption.cancel()
            if self.folder == nil { try? FileManager.default.removeItem(at: folder) }
        }
        let belfry = try await MeasuredProgram.belfry(named: self.belfry, in: folder)
        var report = BenchmarkReport(version: belfry.version, isQuick: quick)
        for scenario in chosenScenarios {
            let result = try await measure(scenario, belfry, folder)
            report.results.append(result)
            if !json { Console.print(ResultTable.text(result)) }
            try write(report)
        }
        if json { Console.print(try report.json) }
    }

    private func measure(
        _ scenario: any Scenario, _ belfry: MeasuredProgram, _ folder: URL
    ) async throws -> ScenarioResult {
        let context = ScenarioContext(
            isQuick: quick, belfry: belfry.path, folder: folder.appendingPathComponent(scenario.name),
            postgresURL: postgresURL, redisURL: redisURL
        ) { Console.progress("… \($0)") }
        defer { try? FileManager.default.removeItem(at: context.folder) }
        let began = ContinuousClock.now
        context.progress("\(scenario.name): \(scenario.summary)")
        do {
            let result = try await scenario.run(context)
            context.progress("\(scenario.name): done in \((ContinuousClock.now - began).components.seconds) s")
            return result
        } catch {
            await Interruption.settle()
            throw BenchmarkError("The scenario '\(scenario.name)' could not be measured: \(error)")
        }
    }

    /// In the order of the list, each once.
    private var chosenScenarios: [any Scenario] {
        AllScenarios.list.filter { scenarios.contains("all") || scenarios.contains($0.name) }
    }

    /// After every scenario, so that a run that is cut off leaves what it has.
    private func write(_ report: BenchmarkReport) throws {
        guard let output else { return }
        do {
            try Data(try report.json.utf8).write(to: URL(fileURLWithPath: output))
        } catch {
            throw BenchmarkError("The results can't be written to \(output): \(error.localizedDescription)")
        }
    }
}
