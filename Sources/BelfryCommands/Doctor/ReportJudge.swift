import Foundation
import Outbox

/// Judges what processes say of themselves in `belfry.process`, wherever they run: what they reach, their clocks, file
/// descriptors and certificates.
struct ReportJudge {
    let thresholds: DoctorThresholds
    /// `limits.sessionsMax`, as this program's settings have it.
    let sessionsMax: Int
    let now: Date

    /// How many of them are nodes that were heard of lately.
    func nodes(of reports: [ReportedProcess]) -> Int {
        reports.count { isAlive($0) && $0.kind != "relay" }
    }

    func findings(_ reports: [ReportedProcess]) -> [Finding] {
        let alive = reports.filter(isAlive)
        var findings = reports.filter { !isAlive($0) }.map { gone($0, alive) } + alive.flatMap(judge)
        if !alive.isEmpty, findings.allSatisfy({ $0.severity <= .note }) {
            findings.append(
                Finding(
                    "processes", .ok,
                    "\(Finding.count(alive.count, "process", "processes")) said lately how they are: they reach what "
                        + "they need, and their clocks agree with PostgreSQL's."))
        }
        return findings
    }

    private func isAlive(_ process: ReportedProcess) -> Bool { process.age < thresholds.processSilenceSeconds }

    /// A supervisor may have started another one in its place.
    private func gone(_ process: ReportedProcess, _ alive: [ReportedProcess]) -> Finding {
        let other = alive.first {
            $0.kind == process.kind && $0.host == process.host && $0.startedAge <= process.age
        }
        let severity: Finding.Severity = other == nil ? .warning : .note
        return Finding(
            "process-gone", severity,
            "\(name(process)) was heard of \(StatusReport.age(process.age)) ago and did not say that it ends: killed, "
                + "stopped or cut off from PostgreSQL.\(other.map { " Process \($0.pid) runs in its place." } ?? "")",
            mend: "systemctl status \(unit(process))  # on \(process.host)")
    }

    private func judge(_ process: ReportedProcess) -> [Finding] {
        let name = name(process)
        let url = process.listen.map { "http://\($0)" } ?? "http://…"
        // What is well needs no word for each.
        var findings =
            NodeLook.judge(
                Data(process.health.utf8), name, mend: "curl -i \(url)/health/ready  # on \(process.host)") ?? []
        if let ahead = process.clockAhead {
            findings.append(
                MachineJudge.clock(of: name, ahead: ahead, of: "PostgreSQL", roundTrip: 0, thresholds))
        }
        if let used = process.openFiles, let limit = process.filesMax,
            let finding = MachineJudge.descriptors(
                of: name, unit: unit(process), used: used, limit: limit,
                sessionsMax: process.kind == "relay" ? 0 : sessionsMax, thresholds)
        {
            findings.append(finding)
        }
        if let end = process.certificateEnd {
            findings.append(
                MachineJudge.certificate(
                    "The TLS certificate that \(name) serves", file: nil, notAfter: Date(timeIntervalSince1970: end),
                    now: now, thresholds))
        }
        return findings.filter { $0.severity != .ok }
    }

    private func name(_ process: ReportedProcess) -> String {
        "belfry \(process.kind) on \(process.host) (process \(process.pid))"
    }

    private func unit(_ process: ReportedProcess) -> String {
        process.kind == "relay" || process.kind == "node" ? "belfry-\(process.kind)" : "belfry"
    }
}
