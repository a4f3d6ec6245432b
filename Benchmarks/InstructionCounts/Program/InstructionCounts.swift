import Counting
import Glibc
import Metrics
import NodeCases
import PrometheusMetrics
import RedisBus

/// Runs every case with few and with many iterations. `scripts/instruction-counts` runs it under callgrind, which
/// writes a count for each call of `countedRun`: the difference of the two, by the difference of the iterations, is
/// one's cost.
@main
enum InstructionCounts {
    private static let few = 50
    private static let many = 250

    static func main() {
        MetricsSystem.bootstrap(PrometheusRegistry())
        do {
            try run()
        } catch {
            print(error)
            exit(1)
        }
    }

    private static func run() throws {
        for counted in STOMPCases.all + EnvelopeCases.all + RedisBusCases.all + DeliveryCases.all + NodeCases.all {
            for iterations in [few, many] {
                let work = try preparedRun(of: counted)
                try check(try countedRun(iterations, work), of: counted, times: iterations)
                print(counted.name, iterations)
            }
        }
    }

    /// Prepared anew and for as many each time, so that both runs begin alike, and warm.
    ///
    /// This and the next are functions of their own for callgrind, which writes a file as they are left.
    @inline(never)
    private static func preparedRun(of counted: CountedCase) throws -> (Int) throws -> Int {
        let work = try counted.prepare(many + 1)
        try check(try work(0), of: counted, times: 1)
        return work
    }

    @inline(never)
    private static func countedRun(_ iterations: Int, _ work: (Int) throws -> Int) throws -> Int {
        var answers = 0
        for iteration in 1...iterations { answers += try work(iteration) }
        return answers
    }

    private static func check(_ answers: Int, of counted: CountedCase, times: Int) throws {
        guard answers == counted.answer * times else {
            throw CountingError(
                "\(counted.name) answered \(answers) in \(times) iterations; \(counted.answer * times) is right.")
        }
    }
}
