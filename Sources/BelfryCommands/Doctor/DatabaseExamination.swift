import BelfryModel
import Outbox
import Postgres

/// Everything that `belfry doctor` asks PostgreSQL: look after look, each of which may fail by itself.
struct DatabaseExamination {
    let configuration: BelfryConfiguration
    let thresholds: DoctorThresholds
    let watch: Duration
    let clock: DoctorClock

    /// What it saw.
    private(set) var findings: [Finding] = []
    private(set) var repairs: [String] = []
    /// What others judge by; `nil` when it could not be seen.
    private(set) var installation: UniqueID?
    private(set) var nodes: [OperatorStatus.Node]?
    private(set) var isLed: Bool?
    private(set) var processes: [ProcessFacts] = []
    private(set) var reports: [ReportedProcess] = []
    /// What our role may not look at.
    private var hidden: [String] = []
    /// The connection is gone: nothing more is asked.
    private var isLost = false

    init(
        configuration: BelfryConfiguration, thresholds: DoctorThresholds, watch: Duration, clock: DoctorClock
    ) {
        self.configuration = configuration
        self.thresholds = thresholds
        self.watch = watch
        self.clock = clock
    }

    /// - Parameter isRepairing: what is missing in the outbox is queued, and orphans go.
    mutating func run(isRepairing: Bool) async {
        var database: PostgresConfiguration
        let connection: PostgresConnection
        do {
            database = try OperatorConnection.configuration(configuration, applicationName: "belfry doctor")
            // The server ends each statement long before, unless it hangs.
            database.statementTimeout = .seconds(30)
            connection = try await PostgresConnection.connect(database)
        } catch {
            findings.append(Self.away(CommandFailure(error).description))
            return
        }
        let store = DoctorStore(connection: connection)
        await lookAtServer(store)
        await lookAtHoldUps(store)
        findings.append(RelayJudge.listening(await probe(connection, database)))
        if await hasSchema(database) { await lookAtSchema(store, isRepairing: isRepairing) }
        if !hidden.isEmpty { findings.append(tellOfRights()) }
        await connection.close()
    }

    private static func away(_ reason: String) -> Finding {
        Finding(
            "postgres-away", .critical,
            "PostgreSQL can't be used from here, so nothing more was looked at there: \(reason)",
            mend: "psql \"$BELFRY_POSTGRES_URL\" -c 'select 1'")
    }

    // MARK: the server

    private mutating func lookAtServer(_ store: DoctorStore) async {
        let start = clock.now()
        if let server = await look("the server's settings", { try await store.server() }) {
            let end = clock.now()
            findings += ServerJudge.findings(server)
            // It was asked in between; the rest of the look came after that.
            let roundTrip = end.timeIntervalSince(start)
            let middle = start.timeIntervalSince1970 + roundTrip / 2
            findings.append(
                MachineJudge.clock(
                    of: "PostgreSQL", ahead: server.time - middle, roundTrip: roundTrip, thresholds))
        }
        if let connections = await look("connections", { try await store.connections() }) {
            findings += ServerJudge.connections(connections, thresholds)
        }
        processes = await look("processes", { try await store.processes() }) ?? []
    }

    private mutating func lookAtHoldUps(_ store: DoctorStore) async {
        let (seconds, hiddenAge) = (thresholds.transactionSeconds, thresholds.hiddenTransactionAge)
        if let transactions = await look(
            "open transactions", { try await store.transactions(olderThan: seconds, hiddenAge: hiddenAge) })
        {
            findings += HoldUpJudge.transactions(transactions)
        }
        if let others = await look(
            "prepared transactions and slots", { try await store.holdUps(olderThan: seconds) })
        {
            findings += HoldUpJudge.others(others, thresholds)
        }
    }

    private func probe(_ connection: PostgresConnection, _ database: PostgresConfiguration) async -> ListenProbe.Outcome
    {
        do {
            let own = try configuration.postgresListenURL.map {
                try PostgresConfiguration(url: $0, applicationName: "belfry doctor")
            }
            return await ListenProbe.run(
                listening: own ?? database, isOwnURL: own != nil, notifyingOn: connection)
        } catch {
            return .failed(CommandFailure(error).description)
        }
    }

    // MARK: the schema

    /// Whether there is any to look at.
    private mutating func hasSchema(_ database: PostgresConfiguration) async -> Bool {
        do {
            let status = try await Migrator(configuration: database).status()
            findings += SchemaJudge.version(status)
            return !status.applied.isEmpty
        } catch let error as MigratorError {
            findings.append(SchemaJudge.version(error))
            return true
        } catch let error as PostgresError where error.sqlState != "42501" {
            // By a connection of its own: ours may still be there.
            findings.append(Self.failed("the schema's version", error))
            return true
        } catch {
            note(error, "the schema's version")
            return true
        }
    }

    private mutating func lookAtSchema(_ store: DoctorStore, isRepairing: Bool) async {
        let start = ContinuousClock.now
        let first = await look("the cursor", { try await store.cursor() }) ?? nil
        installation = await look("belfry.installation", { try await store.installation() }) ?? nil
        if let rights = await look("roles and rights", { try await store.rights() }) {
            findings += SchemaJudge.rights(rights)
        }
        if let schema = await look("triggers and indexes", { try await store.schema() }) {
            findings += SchemaJudge.findings(schema)
        }
        if let relations = await look("tables and vacuum", { try await store.relations() }) {
            findings += TableJudge.findings(relations, thresholds)
        }
        nodes = await look("belfry.node", { try await store.nodes() })
        if let nodes { findings += RelayJudge.nodes(nodes, thresholds) }
        reports = await look("belfry.process", { try await store.reports() }) ?? []
        await lookAtQueue(store, isRepairing: isRepairing)
        if let rules = await look("escalations", { try await store.escalations() }) {
            findings += EscalationJudge.findings(rules, thresholds)
        }
        // The cursor once more, at the end: terms climb between two looks, and a leader that was new has settled.
        try? await Task.sleep(until: start + watch, clock: .continuous)
        if let cursor = await look("the cursor", { try await store.cursor() }) {
            isLed = cursor?.isAlive
            findings += RelayJudge.findings(cursor, thresholds)
            findings += RelayJudge.terms([first?.term, cursor?.term].compactMap(\.self), within: watch)
        }
    }

    private mutating func lookAtQueue(_ store: DoctorStore, isRepairing: Bool) async {
        let (outboxRows, logRows) = (thresholds.outboxRows, thresholds.logRows)
        func queue() async throws -> QueueFacts { try await store.queue(outboxRows: outboxRows, logRows: logRows) }
        guard var facts = await look("log and outbox", queue) else { return }
        if isRepairing {
            var repair = DoctorRepair(store: store)
            await repair.run(facts, again: queue)
            repairs = repair.done
            findings += repair.findings
            facts = await look("log and outbox", queue) ?? facts
        }
        findings += QueueJudge.findings(facts, thresholds)
    }

    // MARK: looks that fail

    private mutating func look<R>(_ what: String, _ body: () async throws -> R) async -> R? {
        guard !isLost else { return nil }
        do {
            return try await body()
        } catch {
            note(error, what)
            return nil
        }
    }

    private mutating func note(_ error: any Error, _ what: String) {
        guard let error = error as? PostgresError, error.code == .server, let state = error.sqlState,
            !state.hasPrefix("57P")
        else {
            if !isLost { findings.append(Self.away(CommandFailure(error).description)) }
            isLost = true
            return
        }
        switch state {
        case "42501": if !hidden.contains(what) { hidden.append(what) }
        case "57014", "55P03":
            findings.append(
                Finding(
                    "look-too-long", .warning,
                    "What there is to say of \(what) took too long to find out, or is locked: \(error.sentence)",
                    mend: "belfry doctor  # once more, when PostgreSQL has less to do"))
        default:
            findings.append(Self.failed(what, error))
        }
    }

    private static func failed(_ what: String, _ error: PostgresError) -> Finding {
        Finding(
            "look-failed", .warning, "PostgreSQL did not tell of \(what): \(error.sentence)",
            mend: "belfry migrate --status")
    }

    private func tellOfRights() -> Finding {
        Finding(
            "not-allowed", .warning,
            "Not looked at, for lack of rights: \(hidden.joined(separator: ", ")). A role in belfry_operator is "
                + "enough.",
            mend: Finding.sql("grant belfry_operator to …"))
    }
}
