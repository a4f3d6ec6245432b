/// The reference of the settings, as `docs/configuration.md` shows it.
enum SettingsReference {
    /// Markdown; the same for the same table.
    static var markdown: String {
        introduction + sections.map { title, settings in "\n## \(title)\n\n" + table(of: settings) }.joined()
    }

    private static let sections: [(String, [Setting])] = [
        ("PostgreSQL", Settings.postgres), ("Redis", Settings.redis), ("The process", Settings.process),
        ("Listening", Settings.listening), ("TLS", Settings.tls), ("WebSocket", Settings.webSocket),
        ("SockJS", Settings.sockJS), ("The API", Settings.api),
        ("Authentication", Settings.authentication), ("The log", Settings.log),
        ("Limits of connections", Settings.connectionLimits), ("Limits of sessions", Settings.sessionLimits),
        ("Limits of delivery", Settings.deliveryLimits),
        ("Limits of the relay", Settings.relayLimits), ("Retention", Settings.retention),
        ("Escalation", Settings.escalation),
        ("Traces", Settings.trace),
    ]

    private static let introduction = """
        # Configuration

        <!-- Made by `belfry settings --markdown`: change Sources/BelfryCommands/Configuration/Settings.swift. -->

        A setting comes from the command line, else from the environment, else from a file, else it has its default.

        - **Command line.** `--set KEY=VALUE` for any setting that is not a secret, and flags of their own for the usual
          ones (`--listen`, `--auth`, `--postgres-url`, …: `belfry serve --help`). Whatever holds a password is refused
          there, because every user of the machine can read the command line.
        - **Environment.** The variable in the second column; an empty one counts as absent.
        - **File.** `--config FILE` or `BELFRY_CONFIG`: JSON or YAML, by its name, with the keys of the first column
          nested at the dots.

        An unknown key, an unknown variable that begins with `BELFRY_`, and a value that is not valid stop the start
        with a sentence that names them. `BELFRY_CONFIG` (the file), `BELFRY_PG_BIN` (the folder of PostgreSQL's
        programs, for `belfry dev`) and `BELFRY_TEST_…` (the tests) are variables, but not settings.

        Durations are \(DurationText.hint).
        A setting marked *secret* is never logged or shown.

        """

    private static func table(of settings: [Setting]) -> String {
        let rows = settings.map { setting in
            let value = setting.defaultText.map { "`\($0)`" } ?? "–"
            let secret = setting.isSecret ? " *Secret.*" : ""
            return "| `\(setting.key)` | `\(setting.environmentName)` | \(value) | \(setting.unit) | "
                + "\(setting.summary)\(secret) |\n"
        }
        return "| key | environment | default | is | what it does |\n| --- | --- | --- | --- | --- |\n" + rows.joined()
    }
}
