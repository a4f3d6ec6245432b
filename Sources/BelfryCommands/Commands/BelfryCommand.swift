import ArgumentParser

/// `belfry`: the root of the commands.
public struct BelfryCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "belfry",
        abstract: "Notifications that ring after commit: from a row in PostgreSQL to the browser.",
        version: BelfryVersion.current,
        // Hidden in the help: it serves the documentation.
        subcommands: [SettingsCommand.self],
        groupedSubcommands: [
            CommandGroup(name: "Trying", subcommands: [DevCommand.self]),
            CommandGroup(
                name: "Running",
                subcommands: [
                    MigrateCommand.self, ServeCommand.self, RelayCommand.self, NodeCommand.self, ConfigCommand.self,
                ]),
            CommandGroup(
                name: "Operating",
                subcommands: [
                    NotifyCommand.self, TailCommand.self, ReplayCommand.self, JobsCommand.self, StatusCommand.self,
                    TraceCommand.self, WatchCommand.self, DoctorCommand.self, ExportCommand.self,
                    EscalateCommand.self, EscalationsCommand.self,
                    TokenCommand.self, PasswordCommand.self,
                ]),
        ])

    public init() {}
}
