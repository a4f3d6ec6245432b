import BelfryModel
import Foundation
import Outbox

/// The state of an installation as the console shows it, and what is wrong with it.
struct OperatorOverview: Encodable {
    /// Something that an operator should know.
    struct Problem: Encodable {
        enum Severity: Int, Comparable {
            case critical, warning, note

            static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
        }

        let severity: Severity
        let code: String
        let sentence: String
        var command: String?
        /// The page of the console that has more.
        var view: String?

        private enum CodingKeys: String, CodingKey { case severity, code, sentence, command, view }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode("\(severity)", forKey: .severity)
            try container.encode(code, forKey: .code)
            try container.encode(sentence, forKey: .sentence)
            try container.encode(command, forKey: .command)
            try container.encode(view, forKey: .view)
        }
    }

    /// A process as it told of itself.
    struct Process: Decodable {
        struct Health: Decodable {
            struct Check: Decodable {
                let state: String
                let reason: String?
            }
            let status: String?
            let checks: [String: Check]?

            /// What is not as it should be, by the checks' names; that it ends is no fault.
            func problems(of whose: String, view: String) -> [Problem] {
                (checks ?? [:]).filter { $0.value.state != "up" && $0.key != "shutdown" }
                    .sorted { $0.key < $1.key }
                    .map { name, check in
                        Problem(
                            severity: check.state == "down" ? .critical : .warning, code: "health-\(name)",
                            sentence: "\(whose): \(check.reason ?? "\(name) is \(check.state).")",
                            command: "belfry doctor", view: view)
                    }
            }
        }
        let id: String
        let kind: String
        let host: String
        let pid: Int
        let version: String
        let startedAt: Int64
        let seenAt: Int64
        let isAlive: Bool
        let sessions: Int?
        let clockAheadSeconds: Double?
        let openFiles: Int?
        let filesMax: Int?
        let certificateEndsAt: Int64?
        let health: Health

        init(json: String) throws {
            self = try JSONDecoder().decode(Process.self, from: Data(json.utf8))
        }

        var name: String { "belfry \(kind) on \(host) (process \(pid))" }
        var isNode: Bool { kind != "relay" }
    }

    struct Quantiles: Encodable {
        let p50: Double?
        let p99: Double?

        init(_ counts: [Int64]) {
            p50 = LatencyBuckets.quantile(0.5, of: counts)
            p99 = LatencyBuckets.quantile(0.99, of: counts)
        }

        private enum CodingKeys: String, CodingKey { case p50, p99 }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(p50, forKey: .p50)
            try container.encode(p99, forKey: .p99)
        }
    }

    struct Latency: Encodable {
        let published: Quantiles
        let arrived: Quantiles
        let acknowledged: Quantiles

        init(_ pulses: some Sequence<Pulse>) {
            var (published, arrived, acknowledged): ([Int64], [Int64], [Int64]) = ([], [], [])
            for pulse in pulses {
                published = LatencyBuckets.sum(published, pulse.published)
                arrived = LatencyBuckets.sum(arrived, pulse.arrived)
                acknowledged = LatencyBuckets.sum(acknowledged, pulse.acknowledged)
            }
            self.published = Quantiles(published)
            self.arrived = Quantiles(arrived)
            self.acknowledged = Quantiles(acknowledged)
        }
    }

    private struct Leader: Encodable {
        let name: String
        let term: Int
        let isAlive: Bool
    }

    private struct Server: Encodable {
        let version: String
        let connections: Int
        let connectionsMax: Int
        let databaseBytes: Int64
    }

    private struct Redis: Encodable {
        let state: String
        let nodesConnected: Int
        let nodes: Int
    }

    private let facts: ConsoleFacts
    private let processes: [Process]
    /// Of the last minute.
    private let pulses: [Pulse]

    init(facts: ConsoleFacts, processes: [Process], pulses: [Pulse]) {
        self.facts = facts
        self.processes = processes
        self.pulses = pulses
    }

    private var alive: [Process] { processes.filter(\.isAlive) }

    /// What has been counted, beside the first ten thousand.
    private func count(_ counted: Int, _ told: (Pulse) -> Int64?) -> Int {
        guard counted > ConsoleStore.countedMax else { return counted }
        return max(counted, pulses.last { told($0) != nil }.flatMap(told).map { Int($0) } ?? 0)
    }

    /// Of what is told; the processes are put in front of the rest as they were read.
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case at, `in`, delivered, pending, heldBack, oldestPending, parked, lagRows, lagSeconds, latency, sessions
        case leader, postgres, redis, installation, problems, processes
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        let rates = Rates(pulses)
        try container.encode(facts.at, forKey: .at)
        try container.encode(rates.in, forKey: .in)
        try container.encode(rates.delivered, forKey: .delivered)
        try container.encode(count(facts.pending) { $0.pending }, forKey: .pending)
        try container.encode(facts.heldBack, forKey: .heldBack)
        try container.encode(facts.oldestPending, forKey: .oldestPending)
        try container.encode(facts.parked, forKey: .parked)
        try container.encode(facts.lagRows, forKey: .lagRows)
        try container.encode(facts.lagSeconds, forKey: .lagSeconds)
        try container.encode(Latency(pulses), forKey: .latency)
        try container.encode(alive.reduce(0) { $0 + ($1.sessions ?? 0) }, forKey: .sessions)
        try container.encode(
            facts.leader.map { Leader(name: $0.name, term: $0.term, isAlive: $0.isAlive) }, forKey: .leader)
        try container.encode(
            Server(
                version: facts.postgresVersion, connections: facts.connections, connectionsMax: facts.connectionsMax,
                databaseBytes: facts.databaseBytes), forKey: .postgres)
        try container.encode(redis, forKey: .redis)
        try container.encode(facts.installation, forKey: .installation)
        try container.encode(problems, forKey: .problems)
    }

    private var redis: Redis {
        let checks = alive.compactMap { $0.health.checks?["redis"] }
        let connected = checks.count { $0.state == "up" }
        let state = checks.isEmpty ? "none" : connected == checks.count ? "up" : connected == 0 ? "away" : "degraded"
        return Redis(state: state, nodesConnected: connected, nodes: checks.count)
    }

    // MARK: Without PostgreSQL

    private struct Blind: Encodable {
        let at: Int64
        let problems: [Problem]

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            for key in CodingKeys.allCases {
                switch key {
                case .at: try container.encode(at, forKey: key)
                case .problems: try container.encode(problems, forKey: key)
                case .processes: try container.encode([String](), forKey: key)
                default: try container.encodeNil(forKey: key)
                }
            }
        }
    }

    /// What is told when PostgreSQL does not tell: nothing but why.
    ///
    /// - Parameter health: what `/health/ready` of this node says, as JSON.
    static func withoutDatabase(health: String, isLocked: Bool) -> String {
        let health = try? JSONDecoder().decode(Process.Health.self, from: Data(health.utf8))
        var problems = health?.problems(of: "This node", view: "doctor") ?? []
        if problems.isEmpty {
            let sentence =
                isLocked
                ? "Another transaction has locked a table that this reads: belfry doctor says which."
                : "PostgreSQL has not told within three seconds how things are: it is slow, or a table is locked."
            problems = [
                Problem(
                    severity: .critical, code: "database-silent", sentence: sentence, command: "belfry doctor",
                    view: "doctor")
            ]
        }
        let blind = Blind(
            at: Int64(Date().timeIntervalSince1970 * 1_000), problems: problems.sorted { $0.severity < $1.severity })
        return (try? JSONEncoder().encode(blind)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    // MARK: What is wrong

    private static let lagSecondsMax = 10.0

    /// The worst first.
    var problems: [Problem] {
        (ofRelay + ofProcesses + ofDatabase).sorted { $0.severity < $1.severity }
    }

    private var ofRelay: [Problem] {
        var problems: [Problem] = []
        if facts.leader?.isAlive != true {
            let last = facts.leader.map { " \($0.name) led last." } ?? ""
            problems.append(
                Problem(
                    severity: .critical, code: "no-leader",
                    sentence: "No relay leads: who is connected gets messages some seconds late; what is held back, "
                        + "jobs and escalations wait.\(last) Start one.",
                    command: "belfry relay"))
        } else if facts.lagSeconds > Self.lagSecondsMax {
            problems.append(
                Problem(
                    severity: .warning, code: "relay-lags",
                    sentence: "The relay is \(Int(facts.lagSeconds)) s behind, with \(facts.lagRows) messages to "
                        + "publish.", command: "belfry doctor"))
        }
        if !alive.contains(where: \.isNode) {
            problems.append(
                Problem(
                    severity: .critical, code: "no-node", sentence: "No node has reported in the last 30 s.",
                    command: "belfry node"))
        }
        return problems
    }

    private var ofProcesses: [Problem] {
        var problems: [Problem] = []
        for process in processes where !process.isAlive {
            // A supervisor has started another one: what is wrong now stands before that.
            let other = alive.first {
                $0.kind == process.kind && $0.host == process.host && $0.startedAt >= process.seenAt
            }
            let minutes = max(0, facts.at - process.seenAt) / 60_000
            let age = minutes == 0 ? "less than a minute" : "\(minutes) min"
            problems.append(
                Problem(
                    severity: other == nil ? .warning : .note, code: "process-gone",
                    sentence: "\(process.name) was seen \(age) ago and did not say that it ends: killed, stopped or "
                        + "cut off from PostgreSQL."
                        + (other.map { " Process \($0.pid) runs in its place." } ?? ""), view: "processes"))
        }
        for process in alive {
            problems += process.health.problems(of: process.name, view: "processes")
            problems += Self.machine(of: process, at: facts.at)
        }
        let versions = Set(alive.map(\.version))
        if versions.count > 1 {
            problems.append(
                Problem(
                    severity: .note, code: "versions-differ",
                    sentence: "Processes of different versions run: \(versions.sorted().joined(separator: ", ")).",
                    view: "processes"))
        }
        return problems
    }

    private static let clockSecondsMax = 2.0
    private static let certificateDaysMin: Int64 = 14

    /// What a process will soon lack, and what its clock says.
    private static func machine(of process: Process, at now: Int64) -> [Problem] {
        var problems: [Problem] = []
        if let ahead = process.clockAheadSeconds, abs(ahead) > clockSecondsMax {
            problems.append(
                Problem(
                    severity: .warning, code: "clocks-differ",
                    sentence: "\(process.name): its clock is \(Int(abs(ahead).rounded())) s "
                        + "\(ahead > 0 ? "ahead of" : "behind") PostgreSQL's, so tokens are refused too early or too "
                        + "late.", command: "timedatectl set-ntp true", view: "processes"))
        }
        if let open = process.openFiles, let limit = process.filesMax, open * 10 >= limit * 8 {
            problems.append(
                Problem(
                    severity: .critical, code: "descriptors-short",
                    sentence: "\(process.name) has \(open) of its \(limit) file descriptors open; without one it takes "
                        + "no connection.", command: "belfry doctor", view: "processes"))
        }
        if let end = process.certificateEndsAt, end - now < certificateDaysMin * 86_400_000 {
            let days = (end - now) / 86_400_000
            problems.append(
                Problem(
                    severity: end <= now ? .critical : .warning, code: "certificate-expires",
                    sentence: end <= now
                        ? "\(process.name): the TLS certificate that it serves has expired."
                        : "\(process.name): the TLS certificate that it serves expires in "
                            + "\(days == 1 ? "1 day" : "\(days) days").", command: "belfry doctor", view: "processes"))
        }
        return problems
    }

    private var ofDatabase: [Problem] {
        var problems: [Problem] = []
        if facts.unqueued > 0 {
            let messages = facts.unqueued == 1 ? "1 message is" : "\(facts.unqueued) messages are"
            problems.append(
                Problem(
                    severity: .critical, code: "unqueued",
                    sentence:
                        "\(messages) in the log and in no outbox: inserted without the trigger, and not delivered.",
                    command: "belfry doctor --repair"))
        }
        if facts.parked > 0 {
            let messages = facts.parked == 1 ? "1 message is" : "\(facts.parked) messages are"
            problems.append(
                Problem(
                    severity: .warning, code: "parked",
                    sentence: "\(messages) parked: they wait for an operator.", view: "parked"))
        }
        if let types = facts.failingEscalations {
            problems.append(
                Problem(
                    severity: .warning, code: "webhooks-fail",
                    sentence: "The application is not told of what is undelivered: webhooks of \(types) fail, or can't "
                        + "be sent.", command: "belfry escalations rules"))
        }
        if facts.connections * 10 >= facts.connectionsMax * 9 {
            problems.append(
                Problem(
                    severity: .warning, code: "connections-scarce",
                    sentence: "PostgreSQL has \(facts.connections) of \(facts.connectionsMax) connections open.",
                    command: "belfry doctor"))
        }
        return problems
    }
}
