import ArgumentParser
import Outbox

/// `belfry watch`: has the messages of a receiver or of a type traced for a while.
struct WatchCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Note what becomes of the messages of a user or of a type for a while, for belfry trace.",
        discussion: """
            Relay and nodes take notice within two seconds. A week and a hundred watches at most; who sets and ends \
            one is kept in belfry.audit. Without options the watches are listed.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "The user whose messages are traced.")
    var user: String?

    @Option(help: "The notification type whose messages are traced.")
    var type: String?

    @Option(name: .customLong("for"), help: ArgumentHelp("For how long.", valueName: "duration"))
    var time = "1h"

    @Option(help: ArgumentHelp("End a watch, by its id.", valueName: "id"))
    var end: Int64?

    func validate() throws {
        guard [user != nil, type != nil, end != nil].count(where: { $0 }) <= 1 else {
            throw ValidationError("Give one of --user, --type and --end, or none of them to list the watches.")
        }
        guard let duration = DurationText.parse(time), duration > .zero else {
            throw ValidationError("--for must be \(DurationText.hint).")
        }
    }

    func execute() async throws {
        try await OperatorConnection.connected(try await options.load()) { connection in
            let store = WatchStore(executor: connection)
            if let end {
                guard try await store.end(end) else { throw CommandFailure("There is no watch \(end).") }
                print("Watch \(end) has ended.")
            } else if user != nil || type != nil {
                let id = try await store.set(
                    receiver: user, type: type, for: DurationText.parse(time) ?? .seconds(3_600))
                print("Watch \(id) is set for \(time). See belfry trace ID; to end it: belfry watch --end \(id)")
            } else {
                let watches = try await store.watches()
                if watches.isEmpty { print("Nothing is watched: belfry watch --user ID or --type NAME.") }
                for watch in watches { print(VisibleText.of(Self.line(watch))) }
            }
        }
    }

    private static func line(_ watch: Watch) -> String {
        let what = watch.receiver.map { "user \($0)" } ?? "type \(watch.type ?? "")"
        return "\(watch.id)  \(what), for another \(StatusReport.age(watch.secondsLeft)), by \(watch.who)"
    }
}
