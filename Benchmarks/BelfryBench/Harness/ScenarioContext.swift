import Foundation

/// What a scenario is run with.
struct ScenarioContext: Sendable {
    /// Fewer and shorter runs, for `scripts/bench-check`.
    let isQuick: Bool
    /// The path of the `belfry` that is measured.
    let belfry: String
    /// Where private servers keep their files; PostgreSQL's user can traverse it.
    let folder: URL
    /// Servers of the caller's own, instead of private ones. The database is emptied by the scenarios.
    let postgresURL: String?
    let redisURL: String?

    private let say: @Sendable (String) -> Void

    /// - Parameter say: takes progress lines, for a person.
    init(
        isQuick: Bool, belfry: String, folder: URL, postgresURL: String? = nil, redisURL: String? = nil,
        say: @escaping @Sendable (String) -> Void
    ) {
        self.isQuick = isQuick
        self.belfry = belfry
        self.folder = folder
        self.postgresURL = postgresURL
        self.redisURL = redisURL
        self.say = say
    }

    /// How many times each contender is run: five, or three when quick.
    var rounds: Int { isQuick ? 3 : 5 }

    /// Tells a person what goes on; to be called before anything that takes over two seconds.
    func progress(_ line: String) { say(line) }

    /// Runs the contenders in turn, A B A B …, `rounds` times; each returns one value for every measure name.
    ///
    /// - Parameter contenders: name and run; a run gets its round, from 0.
    /// - Returns: contender → measure → one value a round.
    func interleave(
        _ scenario: String, _ contenders: [(name: String, run: (Int) async throws -> [String: Double])]
    ) async throws -> [String: [String: [Double]]] {
        var values: [String: [String: [Double]]] = [:]
        for round in 0..<rounds {
            for contender in contenders {
                progress("\(scenario): round \(round + 1) of \(rounds), \(contender.name)")
                for (measure, value) in try await contender.run(round) {
                    values[contender.name, default: [:]][measure, default: []].append(value)
                }
            }
        }
        return values
    }
}
