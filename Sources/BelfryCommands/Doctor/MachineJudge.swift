import Foundation

/// What was seen on this machine.
struct DescriptorFacts: Sendable, Hashable {
    var process: Int
    var listen: String
    /// Descriptors that the process may have, and has; its sessions where the latter is hidden.
    var limit: Int
    var used: Int
    /// `limits.sessionsMax`, as this program's settings have it.
    var sessionsMax: Int
}

/// Judges clocks, file descriptors, certificates and keys.
enum MachineJudge {
    /// - Parameters:
    ///   - ahead: seconds by which the other clock is ahead of ours.
    ///   - roundTrip: seconds that asking took, half of which is not known.
    static func clock(of name: String, ahead: Double, roundTrip: Double, _ thresholds: DoctorThresholds) -> Finding {
        let difference = max(0, abs(ahead) - roundTrip / 2)
        guard difference > thresholds.clockSeconds else {
            return Finding("clocks", .ok, "The clock of \(name) agrees with that of this machine.")
        }
        return Finding(
            "clocks-differ", .warning,
            "The clock of \(name) is \(StatusReport.age(difference)) \(ahead > 0 ? "ahead of" : "behind") that of this "
                + "machine: tokens are refused too early or too late, and times of messages look wrong.",
            mend: "timedatectl set-ntp true  # on whichever is wrong")
    }

    static func descriptors(_ facts: DescriptorFacts, _ thresholds: DoctorThresholds) -> Finding? {
        let mend =
            "systemctl edit belfry-node  # [Service] LimitNOFILE=\(max(facts.sessionsMax, facts.limit * 2) + 1_000)"
        let name = "The node at \(facts.listen) (process \(facts.process))"
        if Double(facts.used) >= thresholds.crowdedShare * Double(facts.limit) {
            return Finding(
                "descriptors-short", .critical,
                "\(name) uses \(facts.used) of its \(facts.limit) file descriptors; without one it takes no "
                    + "connection.",
                mend: mend)
        }
        guard facts.limit < facts.sessionsMax else { return nil }
        return Finding(
            "descriptors-few", .note,
            "\(name) may have \(facts.limit) file descriptors, fewer than limits.sessionsMax (\(facts.sessionsMax)): "
                + "they end first.", mend: mend)
    }

    /// - Parameter what: such as "The TLS certificate".
    static func certificate(
        _ what: String, file: String, notAfter: Date, now: Date, _ thresholds: DoctorThresholds
    ) -> Finding {
        let days = notAfter.timeIntervalSince(now) / 86_400
        let mend = "certbot renew  # or however '\(file)' is made; it is read without a restart"
        if days <= 0 {
            return Finding(
                "certificate-expired", .critical, "\(what) in '\(file)' expired on \(notAfter.ISO8601Format()).",
                mend: mend)
        }
        if days < thresholds.certificateDays {
            return Finding(
                "certificate-expires", .warning,
                "\(what) in '\(file)' expires on \(notAfter.ISO8601Format()), in "
                    + "\(StatusReport.age(notAfter.timeIntervalSince(now))).", mend: mend)
        }
        return Finding("certificate", .ok, "\(what) in '\(file)' is good until \(notAfter.ISO8601Format()).")
    }

    static func unusable(_ reason: String, file: String) -> Finding {
        Finding(
            "certificate-unusable", .critical, reason,
            mend: "ls -l '\(file)' && openssl x509 -in '\(file)' -noout -dates")
    }
}
