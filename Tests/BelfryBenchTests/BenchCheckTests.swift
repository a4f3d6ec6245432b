import Foundation
import Testing

@testable import BelfryBench

@Suite struct BenchCheckTests {
    /// Judges the fixture's report by these thresholds.
    private func check(_ thresholds: String) throws -> (status: Int32, output: String, errors: String) {
        try Fixture.withFolder { folder in
            let file = folder.appendingPathComponent("thresholds.json")
            try Data("{\"thresholds\": [\(thresholds)]}".utf8).write(to: file)
            return try Fixture.run("bench-check", ["--thresholds", file.path, Fixture.report.path])
        }
    }

    @Test func whatKeepsItsThresholdsPasses() throws {
        let run = try Fixture.run("bench-check", ["--thresholds", Fixture.thresholds.path, Fixture.report.path])
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        #expect(run.output.contains("Nothing fell."))
        #expect(run.output.contains("nchan for unicast: deliveries"), "a peer that is not there is named")
    }

    @Test(arguments: [
        #"{"scenario": "latency", "measure": "p50 at 1,000/s", "of": "bare relay", "atMost": 1.05}"#,
        #"{"scenario": "drain", "measure": "drain of 300000 rows", "of": "bare relay", "atLeast": 4.2}"#,
        #"{"scenario": "sessions", "measure": "memory a session", "atMost": 8}"#,
        #"{"scenario": "sessions", "measure": "memory a session", "atLeast": 9}"#,
    ])
    func whatIsBeyondItsThresholdFalls(threshold: String) throws {
        let run = try check(threshold)
        #expect(run.status == 1)
        #expect(run.output.contains("FELL") && run.output.contains("and must be"), "\(run.output)")
    }

    @Test(arguments: [
        #"{"scenario": "latence", "measure": "p50 at 1,000/s", "of": "bare relay", "atMost": 2}"#,
        #"{"scenario": "latency", "measure": "p51 at 1,000/s", "of": "bare relay", "atMost": 2}"#,
        #"{"scenario": "latency", "measure": "p50 at 1,000/s", "of": "bear relay", "atMost": 2}"#,
    ])
    func aThresholdThatMeetsNothingFails(threshold: String) throws {
        let run = try check(threshold)
        #expect(run.status == 1)
        #expect(run.output.contains("MISSING"), "\(run.output)")
    }

    @Test(arguments: [
        "", #"{"scenario": "latency", "measure": "p50 at 1,000/s", "of": "bare relay"}"#,
        #"{"scenario": "latency", "measure": "p50 at 1,000/s", "atMost": 1, "atLeast": 1}"#,
    ])
    func thresholdsThatJudgeNothingAreRefused(thresholds: String) throws {
        let run = try check(thresholds)
        #expect(run.status == 1)
        #expect(run.errors.contains("bench-check: "), "\(run.errors)")
    }
}
