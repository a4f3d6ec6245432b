import Postgres

/// What to do while a transaction of somebody else's holds what a statement needs: our statements wait for ten
/// milliseconds only, lest an application's transaction comes to wait for ours, and are given again.
enum LockPatience {
    /// Pauses before the statement is given once more; two seconds together.
    private static let pauses: [Duration] = [20, 40, 80, 160, 300, 400, 500, 500].map { .milliseconds($0) }

    /// Time after which it is not given again.
    private static let limit: Duration = .seconds(2)

    /// - Parameter body: fails with SQLSTATE 55P03, and without effect, when a lock was not to be had.
    static func retrying<R>(_ body: () async throws(PostgresError) -> R) async throws(PostgresError) -> R {
        let deadline = ContinuousClock.now + limit
        for pause in pauses where ContinuousClock.now < deadline {
            do throws(PostgresError) {
                return try await body()
            } catch {
                guard error.sqlState == "55P03", !Task.isCancelled else { throw error }
            }
            // A little at random: those that meet here do not meet again.
            try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
        }
        return try await body()
    }
}
