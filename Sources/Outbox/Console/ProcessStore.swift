import BelfryModel
import Postgres

/// What a process says of itself, and of the seconds since it said so before.
public struct ProcessReport: Sendable {
    public var id: String
    /// The command: `relay`, `node`, `serve` or `dev`.
    public var kind: String
    public var host: String
    public var processID: Int
    public var version: String
    public var listen: String?
    public var uptimeSeconds: Double
    public var isLeader = false
    /// `nil` for what is no node.
    public var sessions: Int?
    /// Seconds by which this machine's clock is ahead of PostgreSQL's; `nil` while that is not known.
    public var clockAhead: Double?
    /// File descriptors; `nil` where the system does not tell.
    public var openFiles: Int?
    public var filesMax: Int?
    /// When the TLS certificate that is served ends, in seconds since 1970.
    public var certificateEnd: Double?
    /// JSON objects, and an array of them.
    public var health = "{}"
    public var settings = "[]"

    public var seconds = 0.0
    public var delivered = 0
    /// Of the leader only.
    public var pending: Int?
    public var parked: Int?
    public var lagSeconds: Double?
    /// Counts of the buckets of histograms, each by itself, the last for what took longer; empty for none at all.
    public var published: [Int64] = []
    public var arrived: [Int64] = []
    public var acknowledged: [Int64] = []

    public init(id: String, kind: String, host: String, processID: Int, version: String, uptimeSeconds: Double) {
        self.id = id
        self.kind = kind
        self.host = host
        self.processID = processID
        self.version = version
        self.uptimeSeconds = uptimeSeconds
    }
}

/// Messages of a type that the schema refused, in the seconds since it was said before.
public struct TypeRefusals: Sendable {
    public let type: String
    public var count: Int
    /// `http` or `stomp`: of the last one, as the rest.
    public var via: String
    public var who: String
    public var reason: String

    public init(type: String, count: Int, via: String, who: String, reason: String) {
        self.type = type
        self.count = count
        self.via = via
        self.who = who
        self.reason = reason
    }
}

/// Which processes there are and how they fare.
public struct ProcessStore: Sendable {
    /// Pause between two reports of a process; after three it is taken for dead.
    public static let interval: Duration = .seconds(10)

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_service`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// Writes what a process says; removes what is old of all processes.
    ///
    /// - Returns: PostgreSQL's time, in seconds since 1970.
    public func report(_ report: ProcessReport, refusals: [TypeRefusals]) async throws(PostgresError) -> Double? {
        func number(_ value: Int?) -> PostgresValue { value.map { .int64(Int64($0)) } ?? .null }
        func number(_ value: Double?) -> PostgresValue { value.map { .text("\($0)") } ?? .null }
        let said = try await executor.execute(
            ProcessStatements.report,
            [
                .text(report.id), .text(report.kind), .text(report.host), .int64(Int64(report.processID)),
                .text(report.version), report.listen.map { .text($0) } ?? .null, .text("\(report.uptimeSeconds)"),
                .bool(report.isLeader), number(report.sessions), .text(report.health), .text(report.settings),
                number(report.clockAhead), number(report.openFiles), number(report.filesMax),
                number(report.certificateEnd),
            ])
        let time = said.double(0, 0)
        // By statements of their own: who holds up the others keeps nobody from seeing that the process lives.
        _ = try await executor.execute(
            ProcessStatements.beat,
            [
                .text(report.id), number(report.sessions), .text("\(report.seconds)"),
                .int64(Int64(report.delivered)), number(report.pending), number(report.parked),
                number(report.lagSeconds), .int64Array(report.published), .int64Array(report.arrived),
                .int64Array(report.acknowledged),
            ])
        guard !refusals.isEmpty else { return time }
        _ = try await executor.execute(
            ProcessStatements.refuse,
            [
                .textArray(refusals.map(\.type)), .int64Array(refusals.map { Int64($0.count) }),
                .textArray(refusals.map(\.via)), .textArray(refusals.map(\.who)), .textArray(refusals.map(\.reason)),
            ])
        return time
    }

    /// Removes a process that ends.
    public func leave(_ id: String) async throws(PostgresError) {
        _ = try await executor.execute(ProcessStatements.leave, [.text(id)])
    }

    /// The processes as JSON objects, by host and start.
    ///
    /// - Parameter withSettings: tells what each runs with, too.
    public func processes(withSettings: Bool) async throws(PostgresError) -> [String] {
        let result = try await executor.execute(ProcessStatements.processes, [.bool(withSettings)])
        return (0..<result.rowCount).map { result.string($0, 0) }
    }

    /// What all processes said, the oldest first.
    public func pulses(minutes: Int) async throws(PostgresError) -> [Pulse] {
        let result = try await executor.execute(ProcessStatements.pulses, [.int64(Int64(minutes))])
        return (0..<result.rowCount).map { Pulse(result, row: $0) }
    }
}

/// What a process said at a time.
public struct Pulse: Sendable {
    public let processID: String
    /// Unix milliseconds, of PostgreSQL's clock.
    public let at: Int64
    public let seconds: Double
    public let lastID: Int64
    public let delivered: Int64
    public let sessions: Int64?
    public let pending: Int64?
    public let parked: Int64?
    public let lagSeconds: Double?
    public let published: [Int64]
    public let arrived: [Int64]
    public let acknowledged: [Int64]

    init(_ result: PostgresResult, row: Int) {
        processID = result.string(row, 0)
        at = result.int64(row, 1) ?? 0
        seconds = result.double(row, 2) ?? 0
        lastID = result.int64(row, 3) ?? 0
        delivered = result.int64(row, 4) ?? 0
        sessions = result.int64(row, 5)
        pending = result.int64(row, 6)
        parked = result.int64(row, 7)
        lagSeconds = result.double(row, 8)
        published = result.int64List(row, 9)
        arrived = result.int64List(row, 10)
        acknowledged = result.int64List(row, 11)
    }
}

/// The text of its statements: on tables that are Belfry's own, with a row for each process and ten seconds.
enum ProcessStatements {
    private static let timeLimit = Duration.seconds(20)

    /// Plan: process by primary key; what is old is found by reading it.
    static let report = PostgresStatement(
        "belfry_process_report",
        """
        with said as (
            insert into belfry.process as p (id, kind, host, pid, version, listen, started_at, is_leader, sessions,
                health, settings, clock_ahead, open_files, files_max, certificate_ends_at)
            values ($1::uuid, $2, $3, $4::bigint::integer, $5, $6,
                clock_timestamp() - make_interval(secs => $7::float8), $8::boolean, $9::bigint::integer, $10::jsonb,
                $11::jsonb, $12::float8::real, $13::bigint::integer, $14::bigint::integer, to_timestamp($15::float8))
            on conflict on constraint process_pkey do update
                set seen_at = clock_timestamp(), listen = excluded.listen, is_leader = excluded.is_leader,
                    sessions = excluded.sessions, health = excluded.health, clock_ahead = excluded.clock_ahead,
                    open_files = excluded.open_files, files_max = excluded.files_max,
                    certificate_ends_at = excluded.certificate_ends_at,
                    settings = case when p.settings = excluded.settings then p.settings else excluded.settings end
        ), old_processes as (
            delete from belfry.process o where o.ctid in (
                select g.ctid from belfry.process g where g.seen_at < clock_timestamp() - interval '1 hour'
                for update skip locked)
        )
        select extract(epoch from clock_timestamp())::float8
        """, timeLimit: timeLimit)

    /// The next one comes soon: it is not waited for long. Plan: pulse and refusal by their primary keys.
    static let beat = PostgresStatement(
        "belfry_process_beat",
        """
        with beaten as (
            insert into belfry.pulse (process_id, seconds, last_id, delivered, sessions, pending, parked, lag_seconds,
                published_buckets, arrived_buckets, acknowledged_buckets)
            select $1::uuid, $3::float8::real,
                (select case when q.is_called then q.last_value else 0 end from belfry.message_log_id_seq q),
                $4::bigint, $2::bigint::integer, $5::bigint, $6::bigint, $7::float8::real, $8::bigint[],
                $9::bigint[], $10::bigint[]
        ), old_pulses as (
            delete from belfry.pulse o
            where o.at < clock_timestamp() - interval '65 minutes' and o.process_id = $1::uuid
                or o.at < clock_timestamp() - interval '2 hours'
        )
        delete from belfry.refusal r where r.id in (
            select o.id from belfry.refusal o where o.at < clock_timestamp() - interval '1 day'
            order by o.id limit 1000 for update skip locked)
        """, timeLimit: .seconds(3))

    static let refuse = PostgresStatement(
        "belfry_process_refuse",
        """
        insert into belfry.refusal (type, count, via, who, reason)
        select w.type, w.count, w.via, w.who, w.reason
        from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[]) w(type, count, via, who, reason)
        """, timeLimit: timeLimit)

    /// Plan: by primary key.
    static let leave = PostgresStatement(
        "belfry_process_leave", "delete from belfry.process p where p.id = $1::uuid", timeLimit: timeLimit)

    /// Plan: the table.
    static let processes = PostgresStatement(
        "belfry_process_list",
        """
        select (jsonb_build_object(
            'id', p.id, 'kind', p.kind, 'host', p.host, 'pid', p.pid, 'version', p.version, 'listen', p.listen,
            'startedAt', \(MessageSearchStatements.milliseconds("p.started_at")),
            'seenAt', \(MessageSearchStatements.milliseconds("p.seen_at")),
            'isAlive', p.seen_at > clock_timestamp() - interval '30 seconds',
            'isLeader', p.is_leader and p.seen_at > clock_timestamp() - interval '30 seconds',
            'sessions', p.sessions, 'clockAheadSeconds', p.clock_ahead, 'openFiles', p.open_files,
            'filesMax', p.files_max,
            'certificateEndsAt', \(MessageSearchStatements.milliseconds("p.certificate_ends_at")),
            'health', p.health)
            || case when $1::boolean then jsonb_build_object('settings', p.settings) else '{}' end)::text
        from belfry.process p order by p.host, p.started_at, p.id
        limit 1000
        """, timeLimit: timeLimit)

    /// Plan: a range of the primary key.
    static let pulses = PostgresStatement(
        "belfry_process_pulses",
        """
        select p.process_id::text, \(MessageSearchStatements.milliseconds("p.at")), p.seconds::float8, p.last_id,
            p.delivered, p.sessions::bigint, p.pending, p.parked, p.lag_seconds::float8, p.published_buckets::text,
            p.arrived_buckets::text, p.acknowledged_buckets::text
        from belfry.pulse p
        where p.at > clock_timestamp() - make_interval(mins => $1::bigint::integer)
        order by p.at, p.process_id
        limit 20000
        """, timeLimit: timeLimit)
}
