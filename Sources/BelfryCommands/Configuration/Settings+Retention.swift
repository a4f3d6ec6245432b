import BelfryModel

extension Settings {
    static let retention: [Setting] = [
        age(.delivered, "How long messages are kept after they were delivered; for ever when absent."),
        age(.expired, "The same for messages that expired, since they were written."),
        age(.cancelled, "The same for messages that were cancelled, since they were written."),
        age(.parked, "The same for parked messages, since they were written: no operator has come for them."),
        Setting(
            key: "retention.types", unit: "list",
            summary: "The same for single types, which goes before the others: `TYPE=AGE` or `TYPE/STATUS=AGE`, "
                + "with `forever` for what is always kept.",
            isSecret: false, defaultText: nil
        ) { text, configuration in
            let parts = text.split(separator: ",", omittingEmptySubsequences: false)
            let rules = parts.compactMap { rule(String($0)) }
            guard rules.count == parts.count else {
                return "rules such as NEWS=7d,ORDER_SHIPPED/expired=forever, each with "
                    + "\(DurationText.hint), from \(DurationText.text(RetentionPolicy.ages.lowerBound)), or forever"
            }
            configuration.retention.byType = rules
            return nil
        },
        .optionalDuration(
            "retention.audit", \.retention.acts, RetentionPolicy.ages,
            "How long `belfry.audit` keeps what operators did, and ended replay jobs stay; for ever when absent."
        ),
        .count(
            "retention.rowsPerSecondMax", \.retention.rowsPerSecondMax, 10...1_000_000, unit: "rows",
            "Rows of the log that the leading relay looks at in a second, for messages to delete."),
    ]

    private static func age(_ status: RetentionPolicy.Status, _ summary: String) -> Setting {
        let path: Setting.Path<Duration?> =
            switch status {
            case .delivered: \.retention[.delivered]
            case .expired: \.retention[.expired]
            case .cancelled: \.retention[.cancelled]
            case .parked: \.retention[.parked]
            }
        return .optionalDuration("retention.\(status.rawValue)", path, RetentionPolicy.ages, summary)
    }

    /// `TYPE=AGE` or `TYPE/STATUS=AGE`.
    private static func rule(_ text: String) -> RetentionPolicy.Rule? {
        let form = /\s*(?<type>[A-Za-z][A-Za-z0-9_.-]{0,63})(?:\/(?<status>[a-z]+))?\s*=\s*(?<age>[0-9a-z]+)\s*/
        guard let match = text.wholeMatch(of: form)?.output else { return nil }
        var rule = RetentionPolicy.Rule(type: String(match.type), age: nil)
        if let status = match.status {
            guard let status = RetentionPolicy.Status(rawValue: String(status)) else { return nil }
            rule.status = status
        }
        guard match.age != "forever" else { return rule }
        guard let age = DurationText.parse(String(match.age)), RetentionPolicy.ages.contains(age) else { return nil }
        rule.age = age
        return rule
    }
}
