import Foundation
import PrivateServers

/// One comparison of Belfry with a floor or a peer.
public protocol Scenario: Sendable {
    /// The word on the command line.
    var name: String { get }
    /// One line for the help.
    var summary: String { get }
    /// Starts what it needs, measures, and ends it again, also when it throws.
    func run(_ bench: Bench) async throws -> ScenarioResult
}

/// What a scenario is run with.
public struct Bench: Sendable {
    /// Fewer and shorter runs, for `scripts/bench-check`.
    public let isQuick: Bool
    /// The absolute path of the `belfry` that is measured.
    public let executable: String
    /// Where private servers keep their files; PostgreSQL's user can traverse it.
    public let folder: URL
    /// Servers of the caller's own, instead of private ones. The database is emptied by the scenarios.
    public let postgresURL: String?
    public let redisURL: String?

    private let say: @Sendable (String) -> Void

    /// - Parameter say: takes progress lines, for a person.
    public init(
        isQuick: Bool, executable: String, folder: URL, postgresURL: String? = nil, redisURL: String? = nil,
        say: @escaping @Sendable (String) -> Void
    ) {
        self.isQuick = isQuick
        self.executable = executable
        self.folder = folder
        self.postgresURL = postgresURL
        self.redisURL = redisURL
        self.say = say
    }

    /// How many times each contender is run: five, or three when quick.
    public var rounds: Int { isQuick ? 3 : 5 }

    /// Tells a person what goes on; to be called before anything that takes over two seconds.
    public func progress(_ line: String) { say(line) }

    /// Runs the contenders in turn, A B A B …, `rounds` times; each returns one value for every measure name.
    ///
    /// - Parameter contenders: name and run; a run gets its round, from 0.
    /// - Returns: contender → measure → one value a round.
    public func interleave(
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
