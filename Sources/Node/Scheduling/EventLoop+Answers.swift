import NIOCore
import Outbox
import Postgres

extension EventLoop {
    /// Brings an answer of the store's, which comes on a thread of PostgreSQL's, back to this loop.
    func bringingBack<Value: Sendable>(
        _ body: @escaping @Sendable (Result<Value, PostgresError>) -> Void
    ) -> NodeStore.Completion<Value> {
        { answer in self.execute { body(answer) } }
    }
}
