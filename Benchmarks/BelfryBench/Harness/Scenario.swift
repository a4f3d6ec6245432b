/// One comparison of Belfry with a floor or a peer.
protocol Scenario: Sendable {
    /// The word on the command line.
    var name: String { get }
    /// One line for the help.
    var summary: String { get }
    /// Starts what it needs, measures, and ends it again, also when it throws.
    func run(_ context: ScenarioContext) async throws -> ScenarioResult
}
