import ArgumentParser

/// Which messages of the log, as `belfry replay` and `belfry export` are told.
struct MessageOptions: ParsableArguments {
    /// The statuses that `belfry.message_log` knows.
    private static let statuses = ["pending", "delivered", "expired", "cancelled", "parked"]

    @Option(help: "Messages of a user.")
    var user: String?

    @Option(help: "Messages of a topic.")
    var topic: String?

    @Option(help: "Messages of a type.")
    var type: String?

    @Option(help: ArgumentHelp("Messages written then or later.", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("Messages written before then.", valueName: "time"))
    var until: String?

    @Option(help: "Messages with a status: \(statuses.joined(separator: ", ")).")
    var status: String?

    /// Whether nothing is said.
    var isEmpty: Bool { [user, topic, type, since, until, status].allSatisfy { $0 == nil } }

    /// As PostgreSQL reads it.
    func sinceTime() throws -> String? { try Self.time(since, option: "--since") }

    /// As PostgreSQL reads it.
    func untilTime() throws -> String? { try Self.time(until, option: "--until") }

    func knownStatus() throws -> String? {
        guard status.map(Self.statuses.contains) ?? true else {
            throw ValidationError(
                "--status must be one of \(Self.statuses.joined(separator: ", ")), not '\(status ?? "")'.")
        }
        return status
    }

    static func time(_ text: String?, option: String) throws -> String? {
        guard let text else { return nil }
        guard let time = TimePoint(parsing: text, .ago) else {
            throw ValidationError("\(option) must be \(TimePoint.hint) ago, not '\(text)'.")
        }
        return time.text
    }
}
