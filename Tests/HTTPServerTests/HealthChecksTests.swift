import HTTPServer
import Testing

/// What `/health/ready` says.
struct HealthChecksTests {
    @Test func everythingUpIsReady() async {
        let report = await HealthChecks(checks: [("postgres", { .up }), ("redis", { .up })]).report()
        #expect(report.isReady)
        #expect(report.json == #"{"status":"ready","checks":{"postgres":{"state":"up"},"redis":{"state":"up"}}}"#)
    }

    @Test func aDegradedPartLeavesTheNodeReady() async {
        let report = await HealthChecks(checks: [("postgres", { .up }), ("redis", { .degraded("It is \"away\".\n") })])
            .report()
        #expect(report.isReady)
        #expect(report.status == "degraded")
        #expect(report.json.contains(#""redis":{"state":"degraded","reason":"It is \"away\".\n"}"#))
    }

    @Test func oneDownIsNotReady() async {
        let report = await HealthChecks(checks: [("a", { .degraded("x") }), ("b", { .down("y") })]).report()
        #expect(!report.isReady)
        #expect(report.status == "down")
    }

    @Test func aStuckCheckIsDown() async {
        var checks = HealthChecks(checks: [
            ("stuck", { await withUnsafeContinuation { (_: UnsafeContinuation<HealthState, Never>) in } }),
            ("quick", { .up }),
        ])
        checks.timeout = .milliseconds(50)
        let report = await checks.report()
        #expect(report.entries.map(\.name) == ["stuck", "quick"])
        #expect(report.entries[1].state == .up)
        #expect(report.status == "down")
    }
}
