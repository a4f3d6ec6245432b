import Outbox

/// Judges dead rows, bloat and what autovacuum does about them.
enum TableJudge {
    static func findings(_ facts: [RelationFacts], _ thresholds: DoctorThresholds) -> [Finding] {
        let findings = facts.flatMap { fact in
            [vacuumIsOff(fact), deadRows(fact, thresholds), bloat(fact, thresholds)].compactMap(\.self)
        }
        guard findings.isEmpty else { return findings }
        let bytes = facts.reduce(0) { $0 + $1.bytes }
        return [Finding("tables", .ok, "Autovacuum keeps up; tables and indexes have \(size(bytes)).")]
    }

    private static func vacuumIsOff(_ fact: RelationFacts) -> Finding? {
        guard fact.table == nil, !fact.isVacuumedByItself else { return nil }
        return Finding(
            "autovacuum-off", .critical,
            "Autovacuum is switched off for belfry.\(fact.name), which grows with every change.",
            mend: Finding.sql("alter table belfry.\(fact.name) reset (autovacuum_enabled)"))
    }

    private static func deadRows(_ fact: RelationFacts, _ thresholds: DoctorThresholds) -> Finding? {
        guard fact.table == nil, fact.deadRows >= thresholds.deadRows, fact.deadRows > 2 * fact.vacuumThreshold else {
            return nil
        }
        let last = fact.vacuumAge.map { "the last vacuum was \(StatusReport.age($0)) ago" } ?? "no vacuum has come yet"
        return Finding(
            "dead-rows", .warning,
            "belfry.\(fact.name) has \(Int(fact.deadRows)) dead rows beside \(Int(fact.liveRows)) live ones, and "
                + "autovacuum should come at \(Int(fact.vacuumThreshold)): it does not keep up, or is held up "
                + "(\(last)).",
            mend: Finding.sql("vacuum (verbose, analyze) belfry.\(fact.name)"))
    }

    private static func bloat(_ fact: RelationFacts, _ thresholds: DoctorThresholds) -> Finding? {
        guard let expected = fact.expectedBytes, fact.bytes >= thresholds.bloatBytes,
            fact.bytes > thresholds.bloatFactor * expected
        else { return nil }
        let sentence =
            "belfry.\(fact.name) has \(size(fact.bytes)), and its rows need some \(size(expected)) by the statistics: "
        if fact.table == nil {
            return Finding(
                "table-bloat", .warning,
                sentence + "the rest is empty, and read by whoever reads the whole. The command locks the table.",
                mend: Finding.sql("vacuum (full, analyze) belfry.\(fact.name)"))
        }
        return Finding(
            "index-bloat", .warning, sentence + "searches in it read empty pages.",
            mend: Finding.sql("reindex index concurrently belfry.\(Finding.identifier(fact.name))"))
    }

    /// Bytes in the unit that reads best.
    static func size(_ bytes: Double) -> String {
        switch bytes {
        case ..<10_240: "\(Int(max(0, bytes))) bytes"
        case ..<10_485_760: "\(Int(bytes / 1024)) KiB"
        case ..<10_737_418_240: "\(Int(bytes / 1_048_576)) MiB"
        default: "\(Int(min(bytes / 1_073_741_824, 1e15))) GiB"
        }
    }
}
