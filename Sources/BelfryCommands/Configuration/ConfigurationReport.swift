/// What `belfry config check` prints.
enum ConfigurationReport {
    static func text(
        title: String, origins: [SettingOrigin], plan: [(subject: String, text: String)], problems: [String],
        risks: [String]
    ) -> String {
        let settings = origins.map { ($0.setting.key, "\($0.shownText)   from \($0.source)") }
        let verdict: String
        switch (problems.count, risks.count) {
        case (0, 0): verdict = "\(title) would start, and nothing looks risky."
        case (0, let risks): verdict = "\(title) would start; look at what is risky (\(risks))."
        default: verdict = "\(title) would not start."
        }
        return section("settings, beside the defaults", settings.isEmpty ? [("none", "")] : settings)
            + section("what it would do", plan) + list("missing or wrong", problems) + list("risky", risks)
            + verdict + "\n"
    }

    private static func section(_ title: String, _ lines: [(String, String)]) -> String {
        let width = lines.map(\.0.count).max() ?? 0
        let rows = lines.map { name, text in
            let row = "  " + name + String(repeating: " ", count: width - name.count + 3) + text
            return text.isEmpty ? "  " + name : row
        }
        return ([title] + rows).joined(separator: "\n") + "\n\n"
    }

    private static func list(_ title: String, _ sentences: [String]) -> String {
        sentences.isEmpty ? "" : ([title] + sentences.map { "  - \($0)" }).joined(separator: "\n") + "\n\n"
    }
}
