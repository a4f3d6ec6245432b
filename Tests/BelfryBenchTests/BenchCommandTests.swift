import Foundation
import Testing

@testable import BelfryBench

/// What `belfry-bench` says and how it exits, without a server.
@Suite struct BenchCommandTests {
    private func run(_ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        try Fixture.run(program: Programs.bench, arguments)
    }

    @Test func helpNamesEveryScenario() throws {
        let run = try run(["--help"])
        #expect(run.status == 0)
        for scenario in AllScenarios.list { #expect(run.output.contains("\n\(scenario.name) "), "\(scenario.name)") }
    }

    @Test func anUnknownScenarioIsRefusedWithTheKnownOnes() throws {
        let run = try run(["drain", "broadcasts"])
        #expect(run.status == 64)
        #expect(run.errors.contains("There is no scenario 'broadcasts'; choose from latency, drain,"), "\(run.errors)")
    }

    @Test func aScenarioMustBeNamed() throws {
        let run = try run([])
        #expect(run.status == 64)
        #expect(run.errors.contains("Missing expected argument '<scenario> ...'"), "\(run.errors)")
    }

    @Test func theProgramThatIsNamedMustBeThere() throws {
        let run = try run(["drain", "--belfry", "/nowhere/belfry"])
        #expect(run.status == 1)
        #expect(
            run.errors.contains("--belfry names /nowhere/belfry, and there is no program of this path."),
            "\(run.errors)")
        #expect(run.output.isEmpty)
    }

    @Test func theProgramBesideMustBeThere() async throws {
        try await Fixture.withFolder { folder in
            let own = folder.appendingPathComponent("belfry-bench").path
            await #expect {
                try await MeasuredProgram.belfry(named: nil, beside: own, in: folder)
            } throws: { error in
                "\(error)".contains("no belfry to measure at \(folder.path)/belfry.")
                    && "\(error)".contains("swift build -c release --product belfry")
            }
        }
    }

    @Test(arguments: ["/bin/true", "/bin/false", "/bin/ls"])
    func anotherProgramIsNotMeasured(path: String) async throws {
        try await Fixture.withFolder { folder in
            await #expect {
                try await MeasuredProgram.belfry(named: path, in: folder)
            } throws: { error in
                "\(error)".contains("does not answer --version as belfry does")
            }
        }
    }

    @Test func theProgramBesideIsFoundWithItsVersion() async throws {
        try await Fixture.withFolder { folder in
            let own = Programs.bench.path
            let found = try await MeasuredProgram.belfry(named: nil, beside: own, in: folder)
            #expect(found.path == Programs.belfry.path)
            #expect(try Fixture.run(program: Programs.belfry, ["--version"]).output == found.version + "\n")
        }
    }

    /// Scenarios run it in folders of their own.
    @Test func aRelativePathBecomesAbsolute() async throws {
        try await Fixture.withFolder { folder in
            let here = FileManager.default.currentDirectoryPath.split(separator: "/").map { _ in ".." }
            let path = Programs.belfry.path
            let relative = here.joined(separator: "/") + path
            let found = try await MeasuredProgram.belfry(named: relative, in: folder)
            #expect(found.path == path)
        }
    }

    /// The parent of a swarm tells its failure by this line.
    @Test func aSwarmWithoutItsDescriptionFails() throws {
        let run = try run([SwarmChild.argument])
        #expect(run.status == 1)
        #expect(run.output == "failed The swarm's description is missing.\n")
    }
}
