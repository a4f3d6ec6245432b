import Foundation

/// Judges clocks, file descriptors, certificates and keys.
enum MachineJudge {
    /// - Parameters:
    ///   - ahead: seconds by which it is ahead of the clock of `base`.
    ///   - base: whose clock it is compared with.
    ///   - roundTrip: seconds that asking took, half of which is not known.
    static func clock(
        of name: String, ahead: Double, of base: String = "this machine", roundTrip: Double,
        _ thresholds: DoctorThresholds
    ) -> Finding {
        let difference = max(0, abs(ahead) - roundTrip / 2)
        guard difference > thresholds.clockSeconds else {
            return Finding("clocks", .ok, "The clock of \(name) agrees with that of \(base).")
        }
        return Finding(
            "clocks-differ", .warning,
            "The clock of \(name) is \(StatusReport.age(difference)) \(ahead > 0 ? "ahead of" : "behind") that of "
                + "\(base): tokens are refused too early or too late, and times of messages look wrong.",
            mend: "timedatectl set-ntp true  # on whichever is wrong")
    }

    /// - Parameters:
    ///   - name: whose they are, at the beginning of a sentence.
    ///   - unit: systemd's.
    ///   - used: how many are open, of `limit`.
    ///   - sessionsMax: `limits.sessionsMax`, as this program's settings have it; 0 for what has no sessions.
    static func descriptors(
        of name: String, unit: String, used: Int, limit: Int, sessionsMax: Int, _ thresholds: DoctorThresholds
    ) -> Finding? {
        // On whichever machine it runs, which the sentence names.
        let mend = "systemctl edit \(unit)  # [Service] LimitNOFILE=\(max(sessionsMax, limit &* 2) &+ 1_000)"
        if Double(used) >= thresholds.crowdedShare * Double(limit) {
            return Finding(
                "descriptors-short", .critical,
                "\(name) uses \(used) of its \(limit) file descriptors; without one it takes no connection.",
                mend: mend)
        }
        guard limit < sessionsMax else { return nil }
        return Finding(
            "descriptors-few", .note,
            "\(name) may have \(limit) file descriptors, fewer than limits.sessionsMax (\(sessionsMax)): they end "
                + "first.", mend: mend)
    }

    /// - Parameters:
    ///   - what: such as "The TLS certificate".
    ///   - file: where it stands, if that is known here.
    static func certificate(
        _ what: String, file: String?, notAfter: Date, now: Date, _ thresholds: DoctorThresholds
    ) -> Finding {
        let days = notAfter.timeIntervalSince(now) / 86_400
        let quoted = file.map { "'\($0)'" }
        let mend = "certbot renew  # or however \(quoted ?? "it") is made; it is read without a restart"
        let what = what + (quoted.map { " in \($0)" } ?? "")
        if days <= 0 {
            return Finding(
                "certificate-expired", .critical, "\(what) expired on \(notAfter.ISO8601Format()).",
                mend: mend)
        }
        if days < thresholds.certificateDays {
            return Finding(
                "certificate-expires", .warning,
                "\(what) expires on \(notAfter.ISO8601Format()), in "
                    + "\(StatusReport.age(notAfter.timeIntervalSince(now))).", mend: mend)
        }
        return Finding("certificate", .ok, "\(what) is good until \(notAfter.ISO8601Format()).")
    }

    static func unusable(_ reason: String, file: String) -> Finding {
        Finding(
            "certificate-unusable", .critical, reason,
            mend: "ls -l '\(file)' && openssl x509 -in '\(file)' -noout -dates")
    }
}
