import Testing

@testable import BelfryBench
@testable import Outbox

/// The scenario `reconnect` times PostgreSQL by the very statement that a node sends.
@Suite struct ReconnectStatementTests {
    @Test func itIsTheNodesStatement() {
        #expect(ReconnectPostgres.statement == NodeStatements.readBacklog.sql)
    }
}
