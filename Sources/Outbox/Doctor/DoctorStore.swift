import BelfryModel
import Postgres

/// What `belfry doctor` asks PostgreSQL: facts, and no judgement of them. Each look is a transaction of its own that
/// reads only, gives up after five seconds and waits for no lock for longer than half a second, so that nobody notices.
///
/// Every method throws a `PostgresError`; with SQLSTATE 42501 it was for lack of rights.
public struct DoctorStore: Sendable {
    private let connection: PostgresConnection

    /// - Parameter connection: its role is in `belfry_operator`.
    public init(connection: PostgresConnection) { self.connection = connection }

    public func server() async throws(PostgresError) -> ServerFacts {
        let server = try await ask(DoctorStatements.server)
        let settings = try await ask(DoctorStatements.settings)
        let overrides = try await ask(DoctorStatements.overrides)
        var facts = ServerFacts()
        facts.versionNumber = Int(server.int64(0, 0) ?? 0)
        facts.version = server.string(0, 1)
        facts.isStandby = server.bool(0, 2)
        facts.time = server.double(0, 3) ?? 0
        facts.user = server.string(0, 4)
        facts.database = server.string(0, 5)
        facts.seesOthers = server.bool(0, 6)
        for row in settings.rows { facts.settings[settings.string(row, 0)] = settings.string(row, 1) }
        facts.overrides = overrides.rows.map { row in
            ServerFacts.Override(
                role: overrides.string(row, 0), database: overrides.string(row, 1), setting: overrides.string(row, 2))
        }
        return facts
    }

    public func rights() async throws(PostgresError) -> RightsFacts {
        let roles = try await ask(DoctorSchemaStatements.roles, [.textArray(SchemaRights.roles)])
        let relations = SchemaRights.relations
        let onRelations = try await ask(
            DoctorSchemaStatements.missingOnRelations,
            [
                .textArray(relations.map(\.role)), .textArray(relations.map(\.name)),
                .textArray(relations.map(\.privilege)),
            ])
        let functions = SchemaRights.functions
        let onFunctions = try await ask(
            DoctorSchemaStatements.missingOnFunctions,
            [.textArray(functions.map(\.role)), .textArray(functions.map(\.name))])
        let excess = try await ask(DoctorSchemaStatements.excess)
        let owner = try await ask(DoctorSchemaStatements.owner)
        var facts = RightsFacts()
        facts.roles = roles.rows.map { row in
            RightsFacts.Role(name: roles.string(row, 0), members: roles.list(row, 1))
        }
        facts.missing = Self.rights(onRelations) + Self.rights(onFunctions)
        facts.excess = Self.rights(excess)
        facts.owner = owner.string(0, 0)
        facts.ownerIsSuperuser = owner.bool(0, 1)
        return facts
    }

    private static func rights(_ result: PostgresResult) -> [RightsFacts.Right] {
        result.rows.map { row in
            RightsFacts.Right(
                role: result.string(row, 0), object: result.string(row, 1), privilege: result.string(row, 2))
        }
    }

    public func schema() async throws(PostgresError) -> SchemaFacts {
        let triggers = try await ask(DoctorSchemaStatements.triggers)
        let indexes = try await ask(DoctorSchemaStatements.indexes)
        let doorbell = try await ask(DoctorSchemaStatements.doorbellPersistence)
        var facts = SchemaFacts()
        for row in triggers.rows { facts.triggers[triggers.string(row, 0)] = triggers.string(row, 1) }
        facts.indexes = indexes.rows.map { row in
            SchemaFacts.Index(name: indexes.string(row, 0), isValid: indexes.bool(row, 1))
        }
        facts.hasDoorbell = doorbell.rowCount > 0
        facts.doorbellIsUnlogged = doorbell.bool(0, 0)
        facts.identityCache = Int(try await ask(MigratorStatements.identityCache).int64(0, 0) ?? 1)
        facts.keepsHistory = try? await ask(HistoryStatements.wanted).bool(0, 0)
        return facts
    }

    /// - Returns: `nil` when somebody has emptied `belfry.relay_cursor`.
    public func cursor() async throws(PostgresError) -> CursorFacts? {
        let cursor = try await ask(DoctorSchemaStatements.cursor, begin: DoctorStatements.beginByIndex)
        guard cursor.rowCount > 0 else { return nil }
        var facts = CursorFacts()
        facts.relay = cursor.optionalString(0, 0)
        facts.term = Int(cursor.int64(0, 1) ?? 0)
        facts.seenAge = cursor.double(0, 2)
        facts.backend = cursor.int64(0, 3).map { Int($0) }
        facts.backendAge = cursor.double(0, 4)
        facts.isOfThisCluster = cursor.bool(0, 5)
        facts.behind = Int(cursor.int64(0, 6) ?? 0)
        facts.behindAge = cursor.double(0, 7) ?? 0
        facts.doorbellIsArmed = try? await ask(DoctorSchemaStatements.doorbell).bool(0, 0)
        return facts
    }

    /// The present term.
    public func term() async throws(PostgresError) -> Int? {
        try await ask(DoctorSchemaStatements.term).int64(0, 0).map { Int($0) }
    }

    /// Nodes, those included that were killed less than 15 s ago.
    public func nodes() async throws(PostgresError) -> [OperatorStatus.Node] {
        let result = try await ask(OperatorStatements.nodes)
        return result.rows.map { OperatorStatus.Node(result, row: $0) }
    }

    /// Whose messages they are.
    public func installation() async throws(PostgresError) -> UniqueID? {
        UniqueID(try await ask(InstallationIdentity.idStatement).string(0, 0))
    }

    /// - Parameters:
    ///   - seconds: only those that have been open for so long.
    ///   - hiddenAge: of those whose age can't be seen, the ones since which so many transactions were begun.
    public func transactions(
        olderThan seconds: Double, hiddenAge: Int
    ) async throws(PostgresError) -> [TransactionFacts] {
        let result = try await ask(
            DoctorStatements.transactions, [.text("\(seconds)"), .int64(Int64(hiddenAge))])
        return result.rows.map { row in
            var facts = TransactionFacts()
            facts.pid = Int(result.int64(row, 0) ?? 0)
            facts.user = result.string(row, 1)
            facts.application = result.string(row, 2)
            facts.state = result.string(row, 3)
            facts.age = result.double(row, 4)
            facts.transactionsSince = result.int64(row, 5).map { Int($0) }
            facts.query = result.string(row, 6)
            facts.holdsVacuum = result.bool(row, 7)
            facts.rowLocks = result.list(row, 8)
            facts.tableLocks = result.list(row, 9)
            return facts
        }
    }

    /// - Parameter seconds: prepared transactions that are older.
    public func holdUps(olderThan seconds: Double) async throws(PostgresError) -> HoldUpFacts {
        let prepared = try await ask(DoctorStatements.prepared, [.text("\(seconds)")])
        let slots = try await ask(DoctorStatements.slots)
        var facts = HoldUpFacts()
        facts.prepared = prepared.rows.map { row in
            HoldUpFacts.Prepared(
                name: prepared.string(row, 0), owner: prepared.string(row, 1), age: prepared.double(row, 2) ?? 0)
        }
        facts.slots = slots.rows.map { row in
            HoldUpFacts.Slot(
                name: slots.string(row, 0), holdsRows: slots.bool(row, 1), bytes: slots.double(row, 2) ?? 0)
        }
        return facts
    }

    /// Tables, then indexes.
    public func relations() async throws(PostgresError) -> [RelationFacts] {
        let tables = try await ask(DoctorSchemaStatements.tables)
        let indexes = try await ask(DoctorSchemaStatements.indexSizes)
        return tables.rows.map { row in
            var facts = RelationFacts()
            facts.name = tables.string(row, 0)
            facts.liveRows = tables.double(row, 1) ?? 0
            facts.deadRows = tables.double(row, 2) ?? 0
            facts.vacuumThreshold = tables.double(row, 3) ?? 0
            facts.isVacuumedByItself = tables.bool(row, 4)
            facts.vacuumAge = tables.double(row, 5)
            facts.bytes = tables.double(row, 6) ?? 0
            facts.expectedBytes = tables.double(row, 7)
            return facts
        }
            + indexes.rows.map { row in
                var facts = RelationFacts()
                facts.name = indexes.string(row, 0)
                facts.table = indexes.string(row, 1)
                facts.bytes = indexes.double(row, 2) ?? 0
                facts.expectedBytes = indexes.double(row, 3)
                return facts
            }
    }

    public func connections() async throws(PostgresError) -> [ConnectionFacts] {
        let result = try await ask(DoctorStatements.connections)
        return result.rows.map { row in
            ConnectionFacts(
                scope: result.string(row, 0), name: result.string(row, 1), used: Int(result.int64(row, 2) ?? 0),
                limit: Int(result.int64(row, 3) ?? 0))
        }
    }

    public func processes() async throws(PostgresError) -> [ProcessFacts] {
        let result = try await ask(DoctorStatements.processes)
        return result.rows.map { row in
            ProcessFacts(
                application: result.string(row, 0), user: result.string(row, 1), isSuperuser: result.bool(row, 2),
                sessions: Int(result.int64(row, 3) ?? 0))
        }
    }

    /// What processes say of themselves, and those that were killed within an hour.
    public func reports() async throws(PostgresError) -> [ReportedProcess] {
        let result = try await ask(DoctorStatements.reports)
        return result.rows.map { row in
            var said = ReportedProcess()
            said.kind = result.string(row, 0)
            said.host = result.string(row, 1)
            said.pid = Int(result.int64(row, 2) ?? 0)
            said.listen = result.optionalString(row, 3)
            said.age = result.double(row, 4) ?? 0
            said.sessions = result.int64(row, 5).map { Int($0) }
            said.clockAhead = result.double(row, 6)
            said.openFiles = result.int64(row, 7).map { Int($0) }
            said.filesMax = result.int64(row, 8).map { Int($0) }
            said.certificateEnd = result.double(row, 9)
            said.health = result.string(row, 10)
            said.startedAge = result.double(row, 11) ?? 0
            return said
        }
    }

    /// - Parameters:
    ///   - outboxRows: how many of the oldest rows of the outbox are looked at.
    ///   - logRows: how many of the newest messages are.
    public func queue(outboxRows: Int, logRows: Int) async throws(PostgresError) -> QueueFacts {
        let orphans = try await ask(
            DoctorSchemaStatements.orphans, [.int64(Int64(outboxRows))], begin: DoctorStatements.beginByIndex)
        let unqueued = try await ask(
            DoctorSchemaStatements.unqueued, [.int64(Int64(logRows))], begin: DoctorStatements.beginByIndex)
        var facts = QueueFacts()
        facts.orphans = orphans.ids(0, 0)
        facts.outboxRowsLookedAt = Int(orphans.int64(0, 1) ?? 0)
        facts.unqueued = unqueued.ids(0, 0)
        facts.logRowsLookedAt = Int(unqueued.int64(0, 1) ?? 0)
        facts.logRows = unqueued.double(0, 2) ?? 0
        facts.parked = Int(unqueued.int64(0, 3) ?? 0)
        return facts
    }

    /// Rules by which the application is told of what is not delivered.
    public func escalations() async throws(PostgresError) -> [EscalationRule] {
        let result = try await ask(EscalationStatements.rules)
        return result.rows.map { EscalationRule(result, row: $0) }
    }

    // MARK: repairs

    /// Puts pending messages into the outbox, where they are still missing; 1,000 at most.
    ///
    /// - Returns: what became of each.
    public func queueAgain(_ ids: [Int64]) async throws(PostgresError) -> [ReplayedMessage] {
        let result = try await ask(
            DoctorSchemaStatements.queueAgain, [.int64Array(ids)], begin: DoctorStatements.beginRepair)
        return result.rows.map { row in
            ReplayedMessage(
                id: MessageID(rawValue: result.int64(row, 0) ?? 0), previousStatus: "pending",
                action: result.string(row, 1))
        }
    }

    /// Removes rows of the outbox that still have none in the log. The role is in `belfry_service`, or the owner.
    ///
    /// - Returns: those that are gone; the others were held by another transaction, or have a message now.
    public func removeOrphans(_ ids: [Int64]) async throws(PostgresError) -> [Int64] {
        let result = try await ask(
            DoctorSchemaStatements.removeOrphans, [.int64Array(ids)], begin: DoctorStatements.beginRepair)
        return result.rows.compactMap { result.int64($0, 0) }
    }

    private func ask(
        _ statement: PostgresStatement, _ values: [PostgresValue] = [], begin: String = DoctorStatements.begin
    ) async throws(PostgresError) -> PostgresResult {
        do throws(PostgresError) {
            try await connection.run(begin)
            let result = try await connection.execute(statement, values)
            try await connection.run("commit")
            return result
        } catch {
            try? await connection.run("rollback")
            throw error
        }
    }
}

extension PostgresResult {
    fileprivate var rows: Range<Int> { 0..<rowCount }

    /// A text with commas in between; none of what we ask for has one.
    fileprivate func list(_ row: Int, _ column: Int) -> [String] {
        string(row, column).split(separator: ",").map(String.init)
    }

    /// The numbers of an array, `{1,2}`.
    fileprivate func ids(_ row: Int, _ column: Int) -> [Int64] {
        string(row, column).dropFirst().dropLast().split(separator: ",").compactMap { Int64($0) }
    }
}
