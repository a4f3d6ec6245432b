import Foundation
import Testing

@testable import BelfryBench

@Suite struct MeasureTests {
    private func measure(_ ours: [Double], _ theirs: [Double]?, _ targets: [Target] = []) -> Measure {
        let peers = theirs.map { [Contender("nchan", $0)] } ?? []
        return Measure("deliveries", unit: "/s", [Contender(Measure.belfry, ours)] + peers, targets: targets)
    }

    @Test func theRatioIsThatOfTheMedians() {
        #expect(measure([10, 900, 30], [20, 1, 15]).ratio(to: "nchan") == 2)
    }

    @Test func thereIsNoRatioToWhatWasNotMeasured() {
        #expect(measure([1], nil).ratio(to: "nchan") == nil)
        #expect(measure([1], []).ratio(to: "nchan") == nil)
        #expect(measure([1], [0]).ratio(to: "nchan") == nil)
        #expect(measure([], [1]).ratio(to: "nchan") == nil)
    }

    @Test(arguments: [
        (Target(.atMost, 1.2, of: "nchan"), 1.19, true),
        (Target(.atMost, 1.5, of: "nchan"), 1.5, true),
        (Target(.atMost, 1.2, of: "nchan"), 1.21, false),
        (Target(.atLeast, 3, of: "nchan"), 2.9, false),
        (Target(.atLeast, 3, of: "nchan"), 3, true),
        (Target(.atLeast, 3, of: "nchan"), 3.1, true),
    ])
    func aTargetOfAnotherBoundsTheRatio(target: Target, ratio: Double, isReached: Bool) {
        #expect(measure([ratio * 8], [8], [target]).reached(target) == isReached)
    }

    @Test func aTargetOfNobodyBoundsTheValue() {
        #expect(measure([9, 10, 11], [1]).reached(Target(.atMost, 10)) == true)
        #expect(measure([10.5], [1]).reached(Target(.atMost, 10)) == false)
        #expect(measure([14_000], nil).reached(Target(.atLeast, 15_000)) == false)
        #expect(measure([15_000], nil).reached(Target(.atLeast, 15_000)) == true)
    }

    @Test func withoutThePeerNothingIsJudged() {
        #expect(measure([1], nil).reached(Target(.atLeast, 1, of: "nchan")) == nil)
        #expect(measure([], [1]).reached(Target(.atMost, 10)) == nil)
    }

    /// The scripts are tested with this file, so it has to be what `belfry-bench --json` writes.
    @Test func theFixtureIsAReport() throws {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let report = try decoder.decode(BenchmarkReport.self, from: Data(contentsOf: Fixture.report))
        let measures = report.results.flatMap(\.measures)
        let reached = measures.flatMap { measure in measure.targets.map { measure.reached($0) } }
        #expect(reached == [true, false, true, nil, true, true])
        #expect(report.machine.cores == 2)
    }
}
