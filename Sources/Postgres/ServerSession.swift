import CLibpq
import Glibc

/// A session with the server: a `PGconn` and what belongs to it, used by one thread only. Every wait is a poll(2) that
/// `wake` can end.
final class ServerSession {
    private let connection: OpaquePointer
    private let configuration: PostgresConfiguration
    private let wake: WakeUp
    private let notices: NoticeSink
    /// Asked after a wake-up during a wait: when the wait must end, or nil to go on.
    private let deadlineWhenWoken: () -> ContinuousClock.Instant?

    private var prepares: Bool
    /// Whether the path goes with each statement, since a pooler kept it from the session, or may have.
    private var sendsPath = false
    /// The text prepared under each name on this connection.
    private var prepared: [String: String] = [:]
    /// Names whose prepared form the server no longer takes, say after a change of a table.
    private var unpreparable: Set<String> = []
    private var parameters = ParameterBuffer()

    /// Connects; without the session's settings where a pooler does not take them.
    /// - Throws: `.connection`, `.timeout`, or `.closed` when woken with a deadline in the past.
    static func connect(
        _ configuration: PostgresConfiguration, wake: WakeUp,
        deadlineWhenWoken: @escaping () -> ContinuousClock.Instant?
    ) throws(PostgresError) -> ServerSession {
        let session: ServerSession
        do throws(PostgresError) {
            session = try ServerSession(configuration, configuration.options, wake, deadlineWhenWoken)
        } catch {
            // PgBouncer's words, and Amazon RDS Proxy's.
            let refusals = ["unsupported startup parameter", "command-line options"]
            guard refusals.contains(where: error.message.contains) else { throw error }
            session = try ServerSession(configuration, configuration.ownOptions, wake, deadlineWhenWoken)
        }
        session.sendsPath = try !session.holdsPath()
        return session
    }

    private init(
        _ configuration: PostgresConfiguration, _ options: [String: String], _ wake: WakeUp,
        _ deadlineWhenWoken: @escaping () -> ContinuousClock.Instant?
    ) throws(PostgresError) {
        self.configuration = configuration
        self.wake = wake
        self.deadlineWhenWoken = deadlineWhenWoken
        prepares = configuration.preparesStatements
        notices = NoticeSink(configuration.onNotice)
        guard let connection = Self.begin(options) else {
            throw PostgresError(.connection, "No memory for a connection to \(configuration).")
        }
        self.connection = connection
        PQsetNoticeReceiver(connection, NoticeSink.receiver, Unmanaged.passUnretained(notices).toOpaque())
        try finishConnecting()
        guard PQsetnonblocking(connection, 1) == 0 else { throw lost() }
    }

    /// Whether the session has Belfry's path by itself: a pooler may refuse it, or drop it without a word.
    private func holdsPath() throws(PostgresError) -> Bool {
        do throws(PostgresError) {
            return SearchPath.isHeld(
                try answer(
                    to: PQsendQueryParams(connection, SearchPath.query, 0, nil, nil, nil, nil, 0),
                    within: configuration.connectTimeout))
        } catch {
            guard error.code == .server else { throw error }
            return false
        }
    }

    deinit { PQfinish(connection) }

    var socket: Int32 { PQsocket(connection) }

    /// Whether a transaction block is open, failed ones included.
    private var isInTransaction: Bool {
        let status = PQtransactionStatus(connection)
        return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
    }

    var isBroken: Bool { PQstatus(connection) != CONNECTION_OK }

    // MARK: statements

    /// Runs one statement, prepared if it has a name.
    func execute(_ statement: PostgresStatement, _ values: [PostgresValue]) throws(PostgresError) -> PostgresResult {
        try parameters.encode(values)
        guard prepares, !sendsPath, !statement.name.isEmpty, !unpreparable.contains(statement.name),
            prepared[statement.name] == nil || prepared[statement.name] == statement.sql
        else { return try executeUnprepared(statement) }
        let wasInTransaction = isInTransaction
        do {
            if prepared[statement.name] == nil {
                _ = try answer(
                    to: PQsendPrepare(connection, statement.name, statement.sql, 0, nil), within: statement.timeLimit)
                prepared[statement.name] = statement.sql
            }
            return try answer(
                to: parameters.withPointers {
                    PQsendQueryPrepared(connection, statement.name, $0, $1, nil, nil, 0)
                }, within: statement.timeLimit)
        } catch {
            switch error.sqlState {
            case "26000", "42P05":
                // The name is gone, or somebody else's: a pooler gives us another server session each time, which need
                // not have begun with our path.
                prepares = false
                sendsPath = true
            case "0A000" where prepared[statement.name] != nil:
                // "cached plan must not change result type": a table was changed.
                unpreparable.insert(statement.name)
            default: throw error
            }
            // Nothing has run yet; but a transaction block has failed by this error.
            if wasInTransaction || isBroken { throw error }
            return try executeUnprepared(statement)
        }
    }

    private func executeUnprepared(_ statement: PostgresStatement) throws(PostgresError) -> PostgresResult {
        guard !statement.sql.utf8.contains(0) else {
            throw PostgresError(.invalidValue, "The statement '\(statement.name)' holds a NUL byte.")
        }
        guard mustSendPath else { return try answer(to: send(statement), within: statement.timeLimit) }
        // Without a transaction block a pipeline is one transaction, and the server parses each statement when those
        // before it have run.
        guard PQenterPipelineMode(connection) == 1,
            PQsendQueryParams(connection, SearchPath.hold, 0, nil, nil, nil, nil, 0) == 1,
            send(statement) == 1, PQpipelineSync(connection) == 1
        else { throw isBroken ? lost() : refusedToSend() }
        let answer = try readAnswer(isPipelined: true, within: statement.timeLimit)
        // The simple protocol is not to be had in it.
        guard PQexitPipelineMode(connection) == 1 else { throw isBroken ? lost() : refusedToSend() }
        return try answer.get()
    }

    private func send(_ statement: PostgresStatement) -> Int32 {
        parameters.withPointers { PQsendQueryParams(connection, statement.sql, $0, nil, $1, nil, nil, 0) }
    }

    /// A transaction block that has failed takes nothing but its end, which runs nothing.
    private var mustSendPath: Bool { sendsPath && PQtransactionStatus(connection) != PQTRANS_INERROR }

    /// Runs statements without values by the simple protocol. Behind a pooler that keeps the path from us they have it
    /// as long as none of them ends the transaction, which goes on after a `begin` among them.
    /// - Returns: the last one's result.
    func run(_ sql: String, within limit: Duration? = nil) throws(PostgresError) -> PostgresResult {
        guard !sql.utf8.contains(0) else { throw PostgresError(.invalidValue, "The SQL holds a NUL byte.") }
        return try answer(to: PQsendQuery(connection, mustSendPath ? "\(SearchPath.hold); \(sql)" : sql), within: limit)
    }

    /// Runs a `COPY … TO STDOUT` and hands on what comes, row by row.
    ///
    /// - Parameter sink: may block, and holds up the server so. What it throws ends the connection, as the rest of the
    ///   rows is still to come.
    /// - Throws: what the server said; `.timeout` when no row comes within the time for a statement.
    func copyOut(
        _ sql: String, to sink: (UnsafeRawBufferPointer) throws -> Void
    ) throws(PostgresError) -> PostgresResult {
        guard !sql.utf8.contains(0) else { throw PostgresError(.invalidValue, "The SQL holds a NUL byte.") }
        guard PQsendQuery(connection, mustSendPath ? "\(SearchPath.hold); \(sql)" : sql) == 1 else {
            throw isBroken ? lost() : refusedToSend()
        }
        var answer = Answer()
        while true {
            try waitForAnswer(until: configuration.statementTimeout.map { ContinuousClock.now + $0 })
            guard let result = PQgetResult(connection) else { break }
            switch PQresultStatus(result) {
            case PGRES_COPY_OUT:
                PQclear(result)
                try readRows(to: sink)
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: answer.last = PostgresResult(owning: result)
            case PGRES_FATAL_ERROR:
                if answer.failure == nil { answer.failure = PostgresError(result) }
                PQclear(result)
            default:
                PQclear(result)
                throw notUnderstood("another kind of COPY")
            }
        }
        if isBroken { throw lost(answer.failure) }
        return try answer.get()
    }

    /// Reads the rows of a COPY to their end; how they ended is the next result's to say.
    private func readRows(to sink: (UnsafeRawBufferPointer) throws -> Void) throws(PostgresError) {
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let count = PQgetCopyData(connection, &buffer, 1)
            switch count {
            case 0:
                var deadline = configuration.statementTimeout.map { ContinuousClock.now + $0 }
                _ = try wait(for: POLLIN, until: &deadline)
                guard PQconsumeInput(connection) == 1 else { throw lost() }
            case 1...:
                defer { PQfreemem(buffer) }
                do {
                    try sink(UnsafeRawBufferPointer(start: buffer, count: Int(count)))
                } catch {
                    throw PostgresError(.closed, "The rows were no longer wanted: \(error)", underlying: error)
                }
            default: return
            }
        }
    }

    /// Reads what came unasked: notices, parameter changes, the end of the connection.
    /// - Throws: `.connection` when it has ended.
    func consume() throws(PostgresError) {
        guard PQconsumeInput(connection) == 1, !isBroken else { throw lost() }
    }

    /// The next notification, if one has been read.
    func nextNotification() -> (channel: String, payload: String)? {
        guard let notification = PQnotifies(connection) else { return nil }
        defer { PQfreemem(notification) }
        let payload = notification.pointee.extra.map { String(cString: $0) } ?? ""
        return (notification.pointee.relname.map { String(cString: $0) } ?? "", payload)
    }

    // MARK: answers

    /// What the server said to one query or pipeline.
    private struct Answer {
        var last: PostgresResult?
        /// The first error: those after it follow from it.
        var failure: PostgresError?

        func get() throws(PostgresError) -> PostgresResult {
            if let failure { throw failure }
            return last ?? PostgresResult(owning: PQmakeEmptyPGresult(nil, PGRES_COMMAND_OK))
        }
    }

    private func answer(to sent: Int32, within limit: Duration? = nil) throws(PostgresError) -> PostgresResult {
        guard sent == 1 else { throw isBroken ? lost() : refusedToSend() }
        return try readAnswer(isPipelined: false, within: limit).get()
    }

    /// Reads to the end of the answers. Those to a query end with nil; a pipeline has a nil after each of its queries,
    /// one more after an error at its commit, and ends with its sync.
    private func readAnswer(isPipelined: Bool, within limit: Duration? = nil) throws(PostgresError) -> Answer {
        let deadline = (limit ?? configuration.statementTimeout).map { ContinuousClock.now + $0 }
        var answer = Answer()
        var nilsLeft = isPipelined ? 4 : 1
        while nilsLeft > 0 {
            try waitForAnswer(until: deadline)
            guard let result = PQgetResult(connection) else {
                if isBroken { break }
                nilsLeft -= 1
                continue
            }
            switch PQresultStatus(result) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
                answer.last = PostgresResult(owning: result)
            case PGRES_FATAL_ERROR:
                if answer.failure == nil { answer.failure = PostgresError(result) }
                PQclear(result)
            case PGRES_PIPELINE_ABORTED:
                PQclear(result)
            case PGRES_PIPELINE_SYNC:
                PQclear(result)
                return answer
            default:
                PQclear(result)
                throw notUnderstood("COPY, say")
            }
        }
        if isBroken { throw lost(answer.failure) }
        if isPipelined { throw notUnderstood("a pipeline without an end") }
        return answer
    }

    /// Sends what is left to send and reads until `PQgetResult` need not block.
    private func waitForAnswer(until deadline: ContinuousClock.Instant?) throws(PostgresError) {
        var deadline = deadline
        while true {
            let unsent = PQflush(connection)
            guard unsent >= 0 else { throw lost() }
            if PQisBusy(connection) == 0 { return }
            let ready = try wait(for: unsent == 1 ? POLLIN | POLLOUT : POLLIN, until: &deadline)
            if ready & POLLIN != 0 {
                // A broken connection still has its last error to give: PQgetResult is next, and tells.
                guard PQconsumeInput(connection) == 1 else {
                    if PQisBusy(connection) == 0 { return }
                    throw lost()
                }
            }
        }
    }

    private func finishConnecting() throws(PostgresError) {
        var deadline = configuration.connectTimeout.map { ContinuousClock.now + $0 }
        var events = POLLOUT
        guard PQstatus(connection) != CONNECTION_BAD else { throw unreachable() }
        while true {
            _ = try wait(for: events, until: &deadline)
            switch PQconnectPoll(connection) {
            case PGRES_POLLING_OK: return
            case PGRES_POLLING_READING: events = POLLIN
            case PGRES_POLLING_WRITING: events = POLLOUT
            default: throw unreachable()
            }
        }
    }

    /// Waits for the socket.
    /// - Returns: what it is ready for; an error of the socket counts as readable and writable.
    private func wait(for events: Int32, until deadline: inout ContinuousClock.Instant?) throws(PostgresError) -> Int32
    {
        while true {
            var entries = [
                pollfd(fd: socket, events: Int16(events), revents: 0),
                pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let timeout = deadline.map { (ContinuousClock.now.duration(to: $0)).pollMilliseconds } ?? -1
            let count = poll(&entries, 2, timeout)
            if entries[1].revents != 0, count > 0 {
                wake.clear()
                if let limit = deadlineWhenWoken() { deadline = min(limit, deadline ?? limit) }
            }
            if entries[0].revents != 0, count > 0 {
                let ready = Int32(entries[0].revents)
                return ready & ~(POLLIN | POLLOUT) != 0 ? POLLIN | POLLOUT : ready
            }
            if let deadline, ContinuousClock.now >= deadline {
                if deadlineWhenWoken() != nil { throw PostgresError(.closed, "The connection was closed.") }
                throw PostgresError(.timeout, "\(configuration) did not answer in time: the connection is dropped.")
            }
        }
    }

    // MARK: errors

    private func unreachable() -> PostgresError {
        PostgresError(.connection, "Can't connect to \(configuration): \(libpqMessage)")
    }

    /// The connection has ended: by the server's last words if there were any, else by libpq's.
    private func lost(_ failure: PostgresError? = nil) -> PostgresError {
        let fatal = notices.fatalNotice
        return PostgresError(
            .connection,
            "The connection to \(configuration) was lost: \(failure?.message ?? fatal?.message ?? libpqMessage)",
            sqlState: failure?.sqlState ?? fatal?.sqlState, underlying: failure)
    }

    private func notUnderstood(_ what: String) -> PostgresError {
        PostgresError(
            .protocolViolation,
            "\(configuration) sent an answer that is not understood (\(what)): the connection is dropped.")
    }

    private func refusedToSend() -> PostgresError {
        PostgresError(.protocolViolation, "libpq refused to send: \(libpqMessage)")
    }

    /// libpq's last message on one line. It names hosts, users and databases, no password.
    private var libpqMessage: String {
        let text = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    private static func begin(_ options: [String: String]) -> OpaquePointer? {
        let sorted = options.sorted { $0.key < $1.key }
        let keywords = sorted.map { UnsafePointer<CChar>(strdup($0.key)) }
        let values = sorted.map { UnsafePointer<CChar>(strdup($0.value)) }
        defer {
            for pointer in keywords + values { free(UnsafeMutablePointer(mutating: pointer)) }
        }
        return PQconnectStartParams(keywords + [nil], values + [nil], 0)
    }
}
