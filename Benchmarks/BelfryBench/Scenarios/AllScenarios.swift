/// The scenarios in the order in which `belfry-bench all` runs them.
enum AllScenarios {
    static let list: [any Scenario] = [
        LatencyScenario(), DrainScenario(), WritersScenario(), BroadcastScenario(), UnicastScenario(),
        DurableScenario(), SessionsScenario(), TransportsScenario(), HeldScenario(), ReconnectScenario(),
        HistoryScenario(), PushScenario(), TraceScenario(),
    ]
}
