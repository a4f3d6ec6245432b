import Authentication
import BelfryModel
import Outbox
import Postgres

/// What operators ask for of jobs that deliver messages again: each answer is a JSON object.
public struct OperateReplayJobs: Sendable {
    /// Jobs of a page at most.
    public static let limitMax = 100

    /// What asking for a job came to.
    public enum Answer: Sendable {
        case made(String)
        /// What a dry run found.
        case estimated(String)
    }

    private let store: ReplayJobStore

    /// - Parameter store: waits for nothing; its role is in `belfry_service`.
    public init(store: ReplayJobStore) { self.store = store }

    /// Makes a job, or tells what it would do.
    public func create(_ request: ReplayJobRequest, by identity: Identity) async throws(CommandRefusal) -> Answer {
        try OperatorRights.require(request.isDryRun ? .view : .act, identity)
        return try await Self.asking { () async throws(PostgresError) in
            if request.isDryRun {
                return .estimated(try await store.estimate(request.criteria, rate: request.rate).json)
            }
            let id = try await store.create(request.criteria, rate: request.rate, actor: identity.user)
            return .made(try await store.job(id)?.json ?? "{\"id\":\"\(id)\"}")
        }
    }

    /// A page of jobs, the newest first.
    ///
    /// - Parameter before: the last id of the page before.
    public func jobs(
        before: Int64?, limit: Int, by identity: Identity
    ) async throws(CommandRefusal) -> [ReplayJob] {
        try OperatorRights.require(.view, identity)
        return try await Self.asking { () async throws(PostgresError) in
            try await store.jobs(before: before, limit: min(max(1, limit), Self.limitMax))
        }
    }

    /// A job; `nil` when there is none.
    public func job(_ id: Int64, by identity: Identity) async throws(CommandRefusal) -> String? {
        try OperatorRights.require(.view, identity)
        return try await Self.asking { () async throws(PostgresError) in try await store.job(id)?.json }
    }

    /// Pauses, resumes or cancels a job. Returns what it is then; `nil` when there is none.
    public func change(
        _ id: Int64, _ change: ReplayJobChange, by identity: Identity
    ) async throws(CommandRefusal) -> String? {
        try OperatorRights.require(.act, identity)
        return try await Self.asking { () async throws(PostgresError) in
            do throws(PostgresError) {
                return try await LockPatience.retrying { () async throws(PostgresError) in
                    try await store.change(id, change, actor: identity.user).json
                }
            } catch {
                guard error.sqlState == "P0002" else { throw error }
                return nil
            }
        }
    }

    private static func asking<R>(_ body: () async throws(PostgresError) -> R) async throws(CommandRefusal) -> R {
        do {
            return try await body()
        } catch {
            switch error.sqlState {
            // Its state, or the number of jobs, stands against it.
            case "55000": throw CommandRefusal(.conflict, error.sentence)
            default: throw CommandRefusal(error)
            }
        }
    }
}

extension ReplayEstimate {
    var json: String {
        let ids = sample.map { "\"\($0)\"" }.joined(separator: ",")
        return """
            {"matched":\(matched),"isComplete":\(isComplete),"estimated":\(estimated),\
            "estimatedSeconds":\(seconds),"sample":[\(ids)]}
            """
    }
}
