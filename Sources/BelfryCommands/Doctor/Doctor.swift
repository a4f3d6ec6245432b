import Bus
import Foundation

/// This machine's clock; tests have another.
struct DoctorClock: Sendable {
    var now: @Sendable () -> Date = { Date() }
}

/// Looks at an installation from here: PostgreSQL, Redis, this machine, and nodes that are named.
struct Doctor: Sendable {
    let configuration: BelfryConfiguration
    var thresholds = DoctorThresholds()
    /// How long the term is watched.
    var watch: Duration = .seconds(3)
    /// Nodes to ask, `http://host:port`.
    var nodes: [String] = []
    var isRepairing = false
    var clock = DoctorClock()

    init(configuration: BelfryConfiguration) { self.configuration = configuration }

    /// Never throws: what can't be looked at is a finding.
    func examine() async -> DoctorReport {
        var database = DatabaseExamination(
            configuration: configuration, thresholds: thresholds, watch: watch, clock: clock)
        await database.run(isRepairing: isRepairing)
        var findings = database.findings
        let redis = await lookAtRedis(database)
        findings += redis.findings
        let machine = MachineLook(configuration: configuration, thresholds: thresholds, now: clock.now())
        findings += await machine.certificates(redisAuthorities: redis.authorities)
        let reports = ReportJudge(
            thresholds: thresholds, sessionsMax: configuration.limits.sessionsMax, now: clock.now())
        findings += reports.findings(database.reports)
        var versions: [String: String] = [:]
        for url in nodes {
            let answer = await NodeLook.ask(url, now: clock.now(), thresholds)
            findings += answer.findings
            if let version = answer.version { versions[url] = version }
        }
        // A node of an older version says nothing of itself.
        let silent = (database.nodes?.count ?? 0) - reports.nodes(of: database.reports)
        if nodes.isEmpty, silent > 0 {
            findings.append(
                Finding(
                    "nodes-not-asked", .note,
                    "What \(Finding.count(silent, "node")) can reach is not known: nothing in belfry.process says so, "
                        + "and none was asked.",
                    mend: "belfry doctor --node http://…:8080"))
        }
        findings += ProcessJudge.findings(database.processes, others: versions, own: BelfryVersion.current)
        return DoctorReport(findings: findings, repairs: database.repairs)
    }

    private func lookAtRedis(
        _ database: DatabaseExamination
    ) async -> (findings: [Finding], authorities: String?) {
        guard let url = configuration.redisURL else { return ([RedisJudge.absent], nil) }
        let look: RedisLook
        do {
            look = try RedisLook(
                url: url, keyPrefix: configuration.redisKeyPrefix, installation: database.installation)
        } catch {
            return ([RedisJudge.away(error.message)], nil)
        }
        let start = clock.now()
        do {
            let facts = try await look.facts()
            let end = clock.now()
            var findings = RedisJudge.findings(
                facts, nodes: database.nodes?.count, isLed: database.isLed, prefix: configuration.redisKeyPrefix)
            if let time = facts.time {
                let roundTrip = end.timeIntervalSince(start)
                findings.append(
                    MachineJudge.clock(
                        of: "Redis", ahead: time - start.timeIntervalSince1970 - roundTrip / 2, roundTrip: roundTrip,
                        thresholds))
            }
            return (findings, look.certificateAuthorityFile)
        } catch {
            return ([RedisJudge.away(error.message)], look.certificateAuthorityFile)
        }
    }
}
