import ArgumentParser

/// `belfry settings`: the reference of the settings, for the documentation.
struct SettingsCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "settings", abstract: "Print the reference of the settings.", shouldDisplay: false)

    @Flag(help: "As docs/configuration.md has it; otherwise the keys and variables only.")
    var markdown = false

    func execute() async throws {
        if markdown {
            print(SettingsReference.markdown, terminator: "")
        } else {
            for setting in Settings.all { print("\(setting.key)\t\(setting.environmentName)") }
        }
    }
}
