import ArgumentParser
import Authentication
import BelfryClient
import Foundation
import JWTAuthentication
import Logging
import Outbox

/// `belfry tail`: messages as they are committed, or those of a user as a client of theirs gets them.
struct TailCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Print messages as they are committed, or a user's as they arrive.",
        discussion: """
            Without a user it reads PostgreSQL, by a login in belfry_operator: every message is shown once, after its \
            commit, chosen by all of --type, --topic or --receiver, and --since. Nobody is held up by it, and nothing \
            is changed.

            With --user or --token it connects to a node as a client of the user's, and is one of their sessions. \
            Nothing is acknowledged unless --ack is given: what is shown stays pending and comes to the user's own \
            clients, but marked redelivered:true, as a session has been shown it. The token is --token; or one made \
            with jwt.secret (BELFRY_JWT_SECRET), as the nodes have it; or the user's id, which is a token in \
            development mode.

            Ctrl-C ends it.
            """)

    private static let defaultURL = "ws://127.0.0.1:8080/ws"

    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Show messages of a type; may be repeated.", valueName: "name"))
    var type: [String] = []

    @Option(
        help: ArgumentHelp("Show broadcasts to a topic; with --user, these too. May be repeated.", valueName: "name"))
    var topic: [String] = []

    @Option(help: ArgumentHelp("Show messages to a user; may be repeated.", valueName: "user"))
    var receiver: [String] = []

    @Option(
        help: ArgumentHelp("Begin with what was written then; without, with what is committed now.", valueName: "time"))
    var since: String?

    @Flag(help: "Say too when what was shown is delivered, expired, cancelled or parked: of the last 5000 pending.")
    var changes = false

    @Flag(help: "Print each message as JSON in a line: as belfry export does; with --user the body, as clients get it.")
    var json = false

    @Option(help: "A user's id, to be a client of theirs; with --token, checked against the token's.")
    var user: String?

    @Option(help: "Their token; - reads it from standard input, where no list of processes shows it.")
    var token: String?

    @Option(
        help: """
            Where a node is: ws://, wss://, or for STOMP over TCP stomp://, stomps:// (default: \(Self.defaultURL)).
            """)
    var url: String?

    @Option(help: ArgumentHelp("Show their last messages first, delivered ones too: 1 to 1000.", valueName: "count"))
    var history: Int?

    @Flag(help: "Acknowledge what is shown: it counts as delivered, and comes to no other client of the user's.")
    var ack = false

    private var isClient: Bool { user != nil || token != nil }

    func validate() throws {
        guard user.map(Identity.isValid(user:)) ?? true else {
            throw ValidationError(
                "--user must be 1 to \(Identity.userBytesMax) bytes of UTF-8 in composed form, no control characters.")
        }
        guard history.map({ (1...1_000).contains($0) }) ?? true else {
            throw ValidationError("--history must be from 1 to 1000.")
        }
        guard topic.allSatisfy({ (1...255).contains($0.utf8.count) && !$0.hasPrefix("/topic/") }) else {
            throw ValidationError("--topic must be the name of a topic, without /topic/.")
        }
        if isClient, !type.isEmpty || !receiver.isEmpty || since != nil || changes {
            throw ValidationError(
                "--type, --receiver, --since and --changes are for what PostgreSQL has: leave out --user and --token.")
        }
        if !isClient, url != nil || history != nil || ack {
            throw ValidationError("--url, --history and --ack are a client's: give --user, --token or both.")
        }
        _ = try criteria()
    }

    func execute() async throws {
        let configuration = try await options.load()
        LogBootstrap.run(configuration)
        if isClient {
            try await followUser(configuration)
        } else {
            let tail = OperatorTail(
                configuration: try OperatorConnection.configuration(configuration, applicationName: "belfry tail"),
                criteria: try criteria(), form: json ? .json : .text, showsChanges: changes)
            try await Serving.run(tail, listen: nil)
        }
    }

    private func criteria() throws -> TailCriteria {
        var criteria = TailCriteria()
        (criteria.types, criteria.topics, criteria.receivers) = (type, topic, receiver)
        criteria.since = try MessageOptions.time(since, option: "--since")
        return criteria
    }

    private func followUser(_ configuration: BelfryConfiguration) async throws {
        let url = url ?? Self.defaultURL
        let source = try await TailToken(given: token, user: user, configuration: configuration)
        var settings = BelfryClient.Configuration()
        // What happens to the connection is told as text.
        settings.logger.logLevel = .critical
        let client =
            switch source {
            case .given(let token): BelfryClient(url: url, token: token, configuration: settings)
            case .userID(let user): BelfryClient(url: url, token: user, configuration: settings)
            case .made(let maker):
                BelfryClient(url: url, configuration: settings) { try await maker.token() }
            }
        let tail = TailService(
            client: client, url: url, token: source, user: user, topics: topic, historyMax: history ?? 0,
            acknowledges: ack, form: json ? .json : .text)
        try await Serving.run(tail, listen: nil)
    }
}
