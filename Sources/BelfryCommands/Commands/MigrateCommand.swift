import ArgumentParser
import Outbox

/// `belfry migrate`: brings the schema `belfry` to the version of this program.
struct MigrateCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Create or update the schema belfry.",
        discussion: "postgres.url must name a role that owns the schema, or may create it. Safe to run several at once."
    )

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Only show what has been applied and what is missing.")
    var status = false

    @Flag(name: .customLong("dry-run"), help: "Only show what would be applied.")
    var dryRun = false

    @Flag(help: "Print what is missing as one SQL script, for psql -1 or a tool of yours, instead of applying it.")
    var sql = false

    @Option(
        help: ArgumentHelp(
            "With --sql: print the migrations from this number on, 1 for all, without asking the database.",
            valueName: "number"))
    var from: Int?

    /// Whether histories are kept.
    enum History: String, ExpressibleByArgument, CaseIterable {
        case on, off
    }

    @Option(
        help: """
            Whether histories are kept: on makes the index that they are read by, off drops it, while applications \
            write. It stays so until it is said otherwise; at first it is on.
            """)
    var history: History?

    func validate() throws {
        guard !(status && dryRun) else { throw ValidationError("Give either --status or --dry-run.") }
        guard history == nil || !(status || dryRun) else {
            throw ValidationError("--history does something, --status and --dry-run do nothing: leave one of them out.")
        }
        guard !sql || !(status || dryRun || history != nil) else {
            throw ValidationError("--sql prints a script and does nothing else: leave the others out.")
        }
        guard let from else { return }
        guard sql else { throw ValidationError("--from is for --sql.") }
        guard (1...Migration.all.count).contains(from) else {
            throw ValidationError("--from must be a number from 1 to \(Migration.all.count), not '\(from)'.")
        }
    }

    func execute() async throws {
        if let from {
            print(MigrationScript.text(from: from), terminator: "")
            return
        }
        let configuration = try await options.load()
        LogBootstrap.run(configuration)
        let migrator = Migrator(configuration: try OperatorConnection.configuration(configuration))
        if sql {
            let applied = try await migrator.status().applied
            print(MigrationScript.text(from: applied.count + 1), terminator: "")
            return
        }
        if status {
            try await printStatus(migrator)
            return
        }
        let migrations = try await migrator.apply(dryRun: dryRun)
        for migration in migrations {
            print("\(dryRun ? "would apply" : "applied")\t\(migration.fileName)")
        }
        if migrations.isEmpty { print("The schema is up to date.") }
        guard let history else { return }
        switch try await migrator.keepHistory(history == .on) {
        case .made: print("The index for histories is made.")
        case .dropped: print("The index for histories is dropped.")
        case nil: print("Histories are \(history.rawValue) already.")
        }
    }

    private func printStatus(_ migrator: Migrator) async throws {
        let status = try await migrator.status()
        for migration in status.applied {
            print("applied\t\(migration.version)\t\(migration.name)\t\(migration.appliedAt)")
        }
        for migration in status.pending {
            print("missing\t\(migration.version)\t\(migration.name)")
        }
    }
}
