import BelfryModel
import Postgres
import Synchronization

/// Every statement of the relay's loop. All but `takeOver` belong to one term and do nothing when another relay has
/// taken over since.
///
/// The loop's statements belong on one connection: positions that the loop keeps in memory are worthless once
/// PostgreSQL was restarted, and losing the connection is how it notices. Behind a pooler `RelayPage.serverWasReset`
/// says it.
public final class RelayStore: Sendable {
    let executor: any RelayStoreExecutor
    /// For signs of life, which go on while a statement of the loop takes its time.
    private let beats: any RelayStoreExecutor
    /// Where the cursor's row lies (`ctid`), as far as known.
    private let rowAddress = Mutex<String?>(nil)
    private let isPrepared: Atomic<Bool>
    let refusedRows = RefusedRows()
    /// The last page was so small that the next one likely is.
    private let expectsFew = Atomic<Bool>(true)
    private let pageRows: Int
    private let pageStatement: PostgresStatement

    /// - Parameters:
    ///   - executor: where the statements run; its role is in `belfry_service`.
    ///   - beats: where signs of life are given, another connection than the loop's; `executor` when absent.
    ///   - isPrepared: false behind a pooler, where a prepared statement may be another session's.
    ///   - pageRows: rows of a page, one at least.
    public init(
        executor: any RelayStoreExecutor, beats: (any RelayStoreExecutor)? = nil, isPrepared: Bool = true,
        pageRows: Int = Limits().claimRowsMax
    ) {
        self.executor = executor
        self.beats = beats ?? executor
        self.pageRows = max(1, pageRows)
        self.pageStatement = RelayStatements.page(rows: max(1, pageRows))
        self.isPrepared = Atomic(isPrepared)
    }

    /// The connection has turned out to be direct.
    func prepareFromNowOn() { isPrepared.store(true, ordering: .relaxed) }

    func execute(
        _ statement: PostgresStatement, _ values: [PostgresValue] = []
    ) async throws(PostgresError) -> PostgresResult {
        let isPrepared = isPrepared.load(ordering: .relaxed)
        return try await executor.execute(isPrepared ? statement : PostgresStatement("", statement.sql), values)
    }

    /// Becomes the leader, if there is none.
    ///
    /// - Parameters:
    ///   - relay: this process, as its host, process id and something of its own.
    ///   - isDirect: this store's connection is a session of PostgreSQL's own, whose end others can see.
    ///   - hungTerm: the term of a leader that was found to hang, which is not waited for.
    /// - Returns: `nil` when another relay leads.
    public func takeOver(
        relay: String, isDirect: Bool, hungTerm: Int64? = nil
    ) async throws(PostgresError) -> RelayTerm? {
        let result = try await execute(
            RelayStatements.takeOver, [.text(relay), .bool(isDirect), hungTerm.map { .int64($0) } ?? .null])
        guard result.rowCount > 0, let number = result.int64(0, 0) else {
            // If somebody has deleted the row, the next try finds it.
            _ = try await execute(RelayStatements.restoreCursor)
            return nil
        }
        var step: RelayCursor.Step?
        if let target = result.optionalString(0, 2), let xid = UInt64(result.string(0, 3)), let id = result.int64(0, 4)
        {
            step = RelayCursor.Step(target: target, xid: xid, messageID: id)
        }
        try await setDoorbell(.awake, term: number)
        let cursor = RelayCursor(snapshot: result.string(0, 1), step: step)
        return RelayTerm(number: number, cursor: cursor, mustStartOver: result.bool(0, 5))
    }

    /// For a term that was won behind what may have been a pooler, once the connection is known to be direct: others go
    /// by its end from now on. Returns false when another relay leads.
    func recordBackend(term: Int64) async throws(PostgresError) -> Bool {
        try await execute(RelayStatements.recordBackend, [.int64(term)]).rowCount > 0
    }

    /// A leader that is silent for `silence` or longer, and whose backend does nothing.
    func silentLeader(for silence: Duration) async throws(PostgresError) -> (term: Int64, pid: Int64)? {
        let result = try await execute(RelayStatements.silentLeader, [.int64(silence.milliseconds)])
        guard result.rowCount > 0, let term = result.int64(0, 0), let pid = result.int64(0, 1) else { return nil }
        return (term, pid)
    }

    /// Whether this relay leads still.
    func leads(term: Int64) async throws(PostgresError) -> Bool {
        try await execute(RelayStatements.leads, [.int64(term)]).rowCount > 0
    }

    /// The life of PostgreSQL that transaction ids belong to.
    public func incarnation() async throws(PostgresError) -> UniqueID {
        let text = try await execute(RelayStatements.incarnation).string(0, 0)
        guard let incarnation = UniqueID(text) else {
            throw PostgresError(.protocolViolation, "PostgreSQL returned an incarnation that is not a UUID: '\(text)'.")
        }
        return incarnation
    }

    /// Reads what comes after the cursor: the next page of its step, or the first page of a new one.
    public func page(after cursor: RelayCursor) async throws(PostgresError) -> RelayPage {
        if let page = try await shortPage(after: cursor) { return page }
        let page = try await fullPage(after: cursor)
        expectsFew.store(page.rows.count <= RelayStatements.shortPageRows, ordering: .relaxed)
        return page
    }

    /// The whole of a new step, if it is likely small and is.
    private func shortPage(after cursor: RelayCursor) async throws(PostgresError) -> RelayPage? {
        guard cursor.step == nil, expectsFew.load(ordering: .relaxed), isPrepared.load(ordering: .relaxed),
            pageRows > RelayStatements.shortPageRows, let snapshot = TransactionSnapshot(cursor.snapshot),
            snapshot.running.count <= RelayStatements.shortPageRunningMax
        else { return nil }
        let xmax = PostgresValue.text(String(snapshot.xmax))
        let result =
            if snapshot.running.isEmpty {
                try await execute(RelayStatements.shortPage, [xmax])
            } else {
                try await execute(
                    RelayStatements.shortPageAmongRunning,
                    [xmax, .text("{\(snapshot.running.map(String.init).joined(separator: ","))}")])
            }
        return try RelayPage(short: result)
    }

    private func fullPage(after cursor: RelayCursor) async throws(PostgresError) -> RelayPage {
        let step = cursor.step
        let result = try await execute(
            pageStatement,
            [
                .text(cursor.snapshot), step.map { .text($0.target) } ?? .null,
                .text(String(step?.xid ?? 0)), .int64(step?.messageID ?? 0),
            ])
        return try RelayPage(result, rowsMax: pageRows)
    }

    /// Stores the cursor after a page was published.
    ///
    /// - Parameter broadcasts: the messages to topics among the page's.
    /// - Returns: `nil` when another relay leads; nothing was stored then.
    public func advance(
        to cursor: RelayCursor, broadcasts: [MessageID], term: Int64
    ) async throws(PostgresError) -> Advance? {
        let step = cursor.step
        if step == nil, broadcasts.isEmpty, isPrepared.load(ordering: .relaxed) {
            return try await updateCursor(RelayStatements.finishStep, [.int64(term), .text(cursor.snapshot)])
                .map { _ in .complete }
        }
        let values: [PostgresValue] = [
            .int64(term), .text(cursor.snapshot), step.map { .text($0.target) } ?? .null,
            step.map { .text(String($0.xid)) } ?? .null, step.map { .int64($0.messageID) } ?? .null,
            .int64Array(broadcasts.map(\.rawValue)),
        ]
        return try await updateCursor(RelayStatements.advance, values).map { result in
            (result.int64(0, 1) ?? 0) < broadcasts.count ? .withoutSomeBroadcasts : .complete
        }
    }

    /// Tells the other relays that this one is alive.
    ///
    /// - Returns: `nil` when another relay leads.
    public func beat(term: Int64) async throws(PostgresError) -> LeaderBeat? {
        guard let result = try await updateCursor(RelayStatements.beat, [.int64(term)], on: beats) else { return nil }
        let doorbell = result.int64(0, 1).flatMap(DoorbellState.init) ?? .armed
        return LeaderBeat(doorbell: doorbell, serverWasReset: !result.bool(0, 2))
    }

    /// Gives the leadership back, so that another relay need not wait.
    public func resign(term: Int64) async throws(PostgresError) {
        _ = try await execute(RelayStatements.resign, [.int64(term)])
    }

    /// Sets the doorbell at once.
    ///
    /// - Returns: false when another relay leads; the doorbell is left alone then.
    @discardableResult
    public func setDoorbell(_ state: DoorbellState, term: Int64) async throws(PostgresError) -> Bool {
        try await execute(RelayStatements.setDoorbell, [.int64(term), .int64(state.rawValue)]).rowCount > 0
    }

    /// A transaction id given out just now.
    public func takeTransactionID() async throws(PostgresError) -> UInt64 {
        let text = try await execute(RelayStatements.takeTransactionID).string(0, 0)
        guard let number = UInt64(text) else {
            throw PostgresError(
                .protocolViolation, "PostgreSQL returned a transaction id that is not a number: '\(text)'.")
        }
        return number
    }

    /// Notifies a channel.
    public func notify(channel: String, payload: String) async throws(PostgresError) {
        _ = try await execute(RelayStatements.notify, [.text(channel), .text(payload)])
    }

    /// Returns `nil` when the row is another term's.
    ///
    /// - Parameter other: where to run it if not where the loop's statements run.
    private func updateCursor(
        _ update: CursorUpdate, _ values: [PostgresValue], on other: (any RelayStoreExecutor)? = nil
    ) async throws(PostgresError) -> PostgresResult? {
        if let address = rowAddress.withLock({ $0 }) {
            let result = try await run(update.byAddress, values + [.text(address)], on: other)
            if result.rowCount > 0 {
                rowAddress.withLock { $0 = result.string(0, 0) }
                return result
            }
        }
        let result = try await run(update.byKey, values, on: other)
        guard result.rowCount > 0 else { return nil }
        rowAddress.withLock { $0 = result.string(0, 0) }
        return result
    }

    /// Another connection prepares nothing: it may be behind a pooler.
    private func run(
        _ statement: PostgresStatement, _ values: [PostgresValue], on other: (any RelayStoreExecutor)?
    ) async throws(PostgresError) -> PostgresResult {
        guard let other else { return try await execute(statement, values) }
        return try await other.execute(PostgresStatement("", statement.sql), values)
    }
}
