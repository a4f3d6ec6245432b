import Authentication
import BelfryModel
import Foundation
import Outbox
import Postgres

/// What operators may look at, by name: the same for HTTP and for STOMP. Each answer is a JSON object.
public struct OperatorViews: Sendable {
    /// What the process knows to tell beside its tables.
    public struct Insight: Sendable {
        /// Where a message is and what became of it, as JSON.
        public var trace: @Sendable (MessageID) async throws(PostgresError) -> String
        /// What `belfry doctor` finds from here, as JSON.
        public var doctor: @Sendable () async -> String
        /// What `/health/ready` says of this process, as JSON.
        public var health: @Sendable () async -> String = { "{}" }

        public init(
            trace: @escaping @Sendable (MessageID) async throws(PostgresError) -> String,
            doctor: @escaping @Sendable () async -> String
        ) {
            self.trace = trace
            self.doctor = doctor
        }

        /// Of a process that tells nothing of it.
        public static let none = Insight(trace: { _ in "null" }, doctor: { "null" })
    }

    /// The views, each with the parameters that it knows.
    public static let parameters: [(view: String, names: [String])] = [
        ("me", []), ("overview", []), ("series", ["minutes"]),
        (
            "messages",
            [
                "id", "receiver", "topic", "type", "status", "since", "until", "key", "path", "value", "by", "before",
                "limit",
            ]
        ),
        ("message", ["id"]), ("user", ["user"]), ("sessions", ["user", "topic"]), ("parked", []),
        ("parkedMessages", ["reason", "type", "before", "limit"]), ("types", []), ("processes", []),
        ("jobs", ["before", "limit"]), ("job", ["id"]), ("audit", ["before", "limit"]), ("doctor", []),
    ]

    /// How long an answer is given to all who ask for the same.
    private static let freshness: Duration = .seconds(1)
    private static let doctorFreshness: Duration = .seconds(30)

    private let console: ConsoleStore
    private let processes: ProcessStore
    private let search: MessageSearchStore
    private let sessions: OperateSessions
    private let jobs: OperateReplayJobs
    private let audit: ReadAudit
    private let insight: Insight
    private let shared = SharedAnswers()

    /// - Parameter executor: its role is in `belfry_service`; waits for nothing that delivers messages.
    public init(
        executor: any RelayStoreExecutor, sessions: OperateSessions, jobs: OperateReplayJobs, audit: ReadAudit,
        insight: Insight
    ) {
        console = ConsoleStore(executor: executor)
        processes = ProcessStore(executor: executor)
        search = MessageSearchStore(executor: executor)
        self.sessions = sessions
        self.jobs = jobs
        self.audit = audit
        self.insight = insight
    }

    /// What a view shows; `nil` where there is no such message or job.
    ///
    /// - Throws: `.invalid` for a view or a parameter that there is not.
    public func show(
        _ view: String, _ given: [String: String], to identity: Identity
    ) async throws(CommandRefusal) -> String? {
        try OperatorRights.require(.view, identity)
        guard let known = Self.parameters.first(where: { $0.view == view }) else {
            throw CommandRefusal(
                .invalid,
                "there is no view '\(view.prefix(60))'; there are "
                    + "\(Self.parameters.map(\.view).joined(separator: ", ")).")
        }
        if let other = given.keys.first(where: { !known.names.contains($0) }) {
            throw CommandRefusal(
                .invalid,
                "the view \(view) has no parameter '\(other.prefix(60))'"
                    + (known.names.isEmpty ? "." : "; it has \(known.names.joined(separator: ", "))."))
        }
        let asked = OperatorParameters(given)
        switch view {
        case "me": return try me(identity)
        case "overview": return try await share(view) { () async throws in await overviewInTime() }
        case "series":
            let minutes = try asked.count("minutes", 1...60) ?? 60
            return try await share("series \(minutes)") { () async throws in
                try json(OperatorSeries(try await processes.pulses(minutes: minutes)))
            }
        case "parked": return try await share(view) { () async throws in try await console.parked() }
        case "types": return try await share(view) { () async throws in try await console.types() }
        case "processes":
            return try await share(view) { () async throws in
                list("processes", try await processes.processes(withSettings: true))
            }
        case "doctor":
            return try await share(view, for: Self.doctorFreshness) { () async throws in await insight.doctor() }
        case "messages": return try await found(try asked.search())
        case "parkedMessages": return try await found(try asked.parkedSearch())
        case "message": return try await message(try asked.id("id"))
        case "user":
            let user = try asked.user("user")
            return try await asking { () async throws(PostgresError) in try await console.user(user) }
        case "sessions":
            let listed = try await sessions.sessions(of: try asked.sessions(), by: identity)
            return list("sessions", listed)
        case "jobs":
            let (before, limit) = try asked.page(OperateReplayJobs.limitMax)
            let page = try await jobs.jobs(before: before, limit: limit, by: identity)
            return list("jobs", page.map(\.json), before: page.count == limit ? page.last?.id : nil)
        case "job": return try await jobs.job(try asked.number("id"), by: identity)
        default:
            let (before, limit) = try asked.page(ReadAudit.limitMax)
            let page = try await audit.page(before: before, limit: limit, by: identity)
            return list("acts", page.map(\.json), before: page.count == limit ? page.last?.id : nil)
        }
    }

    // MARK: Views

    private struct Me: Encodable {
        let user: String
        let mayAct: Bool
    }

    private func me(_ identity: Identity) throws(CommandRefusal) -> String {
        do {
            return try json(Me(user: identity.user, mayAct: identity.rights.operatorRight >= .act))
        } catch {
            throw CommandRefusal(.unavailable, "the answer could not be written.", underlying: error)
        }
    }

    /// Time for PostgreSQL to tell what there is; then what this process knows by itself is told.
    private static let overviewTimeout: Duration = .seconds(3)

    /// Never late, and never without an answer: it is looked at when something is wrong.
    private func overviewInTime() async -> String {
        let (answers, continuation) = AsyncStream<Result<String, any Error>>.makeStream(
            bufferingPolicy: .bufferingOldest(1))
        // The statement has a limit of its own; nobody waits for it.
        let asking = Task {
            do {
                continuation.yield(.success(try await overview()))
            } catch {
                continuation.yield(.failure(error))
            }
        }
        let waiting = Task {
            try await Task.sleep(for: Self.overviewTimeout)
            continuation.yield(.failure(CancellationError()))
        }
        defer {
            asking.cancel()
            waiting.cancel()
        }
        switch await answers.first(where: { _ in true }) {
        case .success(let overview)?: return overview
        case .failure(let error)?:
            return OperatorOverview.withoutDatabase(
                health: await insight.health(), isLocked: (error as? PostgresError)?.sqlState == "55P03")
        case nil: return OperatorOverview.withoutDatabase(health: await insight.health(), isLocked: false)
        }
    }

    private func overview() async throws -> String {
        let listed = try await processes.processes(withSettings: false)
        let overview = OperatorOverview(
            facts: try await console.facts(), processes: try listed.map(OperatorOverview.Process.init(json:)),
            pulses: try await processes.pulses(minutes: 1))
        return "{\"processes\":[\(listed.joined(separator: ","))]," + String(try json(overview).dropFirst())
    }

    private func found(_ search: MessageSearch) async throws(CommandRefusal) -> String {
        let found = try await asking { () async throws(PostgresError) in try await self.search.find(search) }
        let before = found.before.map { "\"\($0)\"" } ?? "null"
        return """
            {"messages":[\(found.messages.joined(separator: ","))],"before":\(before),\
            "looked":{"rows":\(found.rows),"backTo":\(found.backTo.map(String.init) ?? "null"),\
            "isComplete":\(found.before == nil),"by":"\(found.way.rawValue)"}}
            """
    }

    private func message(_ id: MessageID) async throws(CommandRefusal) -> String? {
        try await asking { () async throws(PostgresError) in
            guard let message = try await search.message(id) else { return nil }
            return "{\"message\":\(message),\"trace\":\(try await insight.trace(id))}"
        }
    }

    private func list(_ name: String, _ objects: [String], before: Int64?) -> String {
        "{\"\(name)\":[\(objects.joined(separator: ","))],\"before\":\(before.map { "\"\($0)\"" } ?? "null")}"
    }

    private func list(_ name: String, _ objects: [String]) -> String {
        "{\"\(name)\":[\(objects.joined(separator: ","))]}"
    }

    private func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    // MARK: Asking

    private func share(
        _ key: String, for time: Duration = Self.freshness, _ make: @escaping @Sendable () async throws -> String
    ) async throws(CommandRefusal) -> String {
        do {
            return try await shared.answer(key, freshFor: time, make)
        } catch let refusal as CommandRefusal {
            throw refusal
        } catch let error as PostgresError {
            throw Self.refusal(error)
        } catch {
            throw CommandRefusal(.unavailable, "it could not be told now; try again.", underlying: error)
        }
    }

    private func asking<R>(_ body: () async throws(PostgresError) -> R) async throws(CommandRefusal) -> R {
        do {
            return try await body()
        } catch {
            throw Self.refusal(error)
        }
    }

    /// A look has no outcome that could be unknown.
    private static func refusal(_ error: PostgresError) -> CommandRefusal {
        switch error.sqlState {
        case "55P03", "57014":
            return CommandRefusal(
                .unavailable, "another transaction holds a table that this reads, or PostgreSQL is busy; try again.",
                underlying: error)
        default:
            guard !error.isFaultOfItsData, !error.isRefusal else { return CommandRefusal(error) }
            return CommandRefusal(
                .unavailable, "the database cannot be reached now, or did not answer in time; try again.",
                underlying: error)
        }
    }
}
