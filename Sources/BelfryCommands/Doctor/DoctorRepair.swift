import Outbox
import Postgres

/// What `--repair` does: nothing that could lose a message, or deliver one that is not pending.
struct DoctorRepair {
    /// Batches at most; more is for the next time.
    private static let batchesMax = 100

    let store: DoctorStore
    private(set) var done: [String] = []
    private(set) var findings: [Finding] = []

    init(store: DoctorStore) { self.store = store }

    /// - Parameters:
    ///   - facts: what to begin with.
    ///   - again: looks for more.
    mutating func run(_ facts: QueueFacts, again: () async throws -> QueueFacts) async {
        var (queued, removed) = (0, 0)
        do {
            var facts = facts
            for _ in 0..<Self.batchesMax {
                let (queuedNow, removedNow) = (try await queue(facts.unqueued), try await remove(facts.orphans))
                queued += queuedNow
                removed += removedNow
                guard queuedNow + removedNow > 0 else { break }
                facts = try await again()
            }
        } catch {
            findings.append(
                Finding(
                    "repair-failed", .critical, "The repair stopped: \(CommandFailure(error))",
                    mend: "belfry doctor --repair  # once more"))
        }
        if queued > 0 {
            done.append(
                "\(Finding.count(queued, "pending message")) \(queued == 1 ? "was" : "were") put into the outbox.")
        }
        if removed > 0 {
            done.append(
                "\(Finding.count(removed, "row")) of the outbox without a message "
                    + "\(removed == 1 ? "was" : "were") removed."
            )
        }
        if done.isEmpty, findings.isEmpty { done.append("There was nothing to repair.") }
    }

    private func queue(_ ids: [Int64]) async throws -> Int {
        guard !ids.isEmpty else { return 0 }
        return try await store.queueAgain(ids).count { !$0.action.hasPrefix("skip") }
    }

    /// Operators may only read the outbox.
    private mutating func remove(_ ids: [Int64]) async throws -> Int {
        guard !ids.isEmpty, findings.isEmpty else { return 0 }
        do throws(PostgresError) {
            return try await store.removeOrphans(ids).count
        } catch {
            guard error.sqlState == "42501" else { throw error }
            findings.append(
                Finding(
                    "repair-not-allowed", .warning,
                    "Rows of the outbox without a message were left, as removing them takes a role in belfry_service.",
                    mend: "belfry doctor --repair  # with BELFRY_POSTGRES_URL as Belfry's own processes have it"))
            return 0
        }
    }
}
