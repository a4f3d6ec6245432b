import ArgumentParser
import Bench
import Dispatch
import Foundation
import PrivateServers
import Synchronization

/// `belfry bench`: measures this machine, Belfry beside a floor or a peer.
struct BenchCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure Belfry beside a floor or a peer, in the same run.",
        discussion: """
            Each scenario starts private servers on 127.0.0.1 and runs the contenders in turn, five times each; the table \
            shows the medians and their ratio. Absolute figures depend on the machine and its mood, ratios much less. \
            Peers that are not installed (nginx with nchan, RabbitMQ) are left out with a note. Build with -c release.

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
        name: .customLong("postgres-url"),
        help: ArgumentHelp(
            "Use this PostgreSQL, not a private one. Scenarios EMPTY Belfry's tables in it.", valueName: "url"))
    var postgresURL: String?

    @Option(name: .customLong("redis-url"), help: ArgumentHelp("Use this Redis, not a private one.", valueName: "url"))
    var redisURL: String?

    @Option(help: ArgumentHelp("Keep the private servers' data here while it runs.", valueName: "folder"))
    var folder: String?

    func execute() async throws {
        // How the program holds more connections than a process has descriptors; see `SwarmProcess`.
        if scenarios.first == "swarm" { Foundation.exit(await SwarmChild.main(Array(scenarios.dropFirst()))) }
        let chosen = try chosenScenarios()
        #if DEBUG
            StandardError.write(
                "This is a debug build, many times slower than a release build: swift build -c release.")
        #endif
        let folder = URL(fileURLWithPath: self.folder ?? "/tmp/belfry-bench-\(getpid())")
        let interruption = Interruption(removing: self.folder == nil ? folder : nil)
        defer { interruption.cancel() }
        var report = BenchReport(version: BelfryVersion.current, isQuick: quick)
        for scenario in chosen {
            let bench = Bench(
                isQuick: quick, executable: try Self.executable(),
                folder: folder.appendingPathComponent(scenario.name), postgresURL: postgresURL, redisURL: redisURL
            ) { StandardError.write("… \($0)") }
            defer { try? FileManager.default.removeItem(at: bench.folder) }
            let began = ContinuousClock.now
            bench.progress("\(scenario.name): \(scenario.summary)")
            let result: ScenarioResult
            do {
                result = try await scenario.run(bench)
            } catch {
                await Interruption.settle()
                throw CommandFailure("The scenario '\(scenario.name)' could not be measured: \(error)")
            }
            bench.progress("\(scenario.name): done in \((ContinuousClock.now - began).components.seconds) s")
            report.results.append(result)
            if !json { StandardOutput.write(BenchTable.text(result)) }
            try write(report)
        }
        if json { StandardOutput.write(try Self.document(report)) }
        if self.folder == nil { try? FileManager.default.removeItem(at: folder) }
    }

    /// In the order of the list, each once.
    private func chosenScenarios() throws -> [any Scenario] {
        let names = AllScenarios.list.map(\.name)
        for name in scenarios where name != "all" && !names.contains(name) {
            throw ValidationError(
                "There is no scenario '\(name)'; choose of \(names.joined(separator: ", ")), or all.")
        }
        return AllScenarios.list.filter { scenarios.contains("all") || scenarios.contains($0.name) }
    }

    /// After every scenario, so that a run that is cut off leaves what it has.
    private func write(_ report: BenchReport) throws {
        guard let output else { return }
        do {
            try Data(try Self.document(report).utf8).write(to: URL(fileURLWithPath: output))
        } catch {
            throw CommandFailure("The results can't be written to \(output): \(error.localizedDescription)")
        }
    }

    private static func document(_ report: BenchReport) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return String(decoding: try encoder.encode(report), as: UTF8.self)
    }

    private static func executable() throws -> String {
        guard let path = realpath("/proc/self/exe", nil) else {
            throw CommandFailure("The path of this program can't be found: /proc is not mounted.")
        }
        defer { free(path) }
        return String(cString: path)
    }
}

/// Ctrl-C, or being asked to end: the private servers are children in sessions of their own, and must not stay behind.
private struct Interruption {
    private static let hasCome = Atomic<Bool>(false)

    private let sources: [any DispatchSourceSignal]

    /// - Parameter folder: what is deleted then.
    init(removing folder: URL?) {
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                Self.hasCome.store(true, ordering: .relaxed)
                StandardError.write("Interrupted: ending the servers.")
                PrivateProgram.killAll()
                if let folder { try? FileManager.default.removeItem(at: folder) }
                Foundation.exit(128 + number)
            }
            source.resume()
            return source
        }
    }

    /// What fails because the servers are being ended is no failure, and must not end the process before they are gone.
    static func settle() async {
        while hasCome.load(ordering: .relaxed) { try? await Task.sleep(for: .seconds(1)) }
    }

    func cancel() { for source in sources { source.cancel() } }
}
