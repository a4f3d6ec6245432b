import ArgumentParser
import Authentication
import BelfryClient
import Foundation
import JWTAuthentication
import Logging

/// `belfry tail`: a user's messages, as a client of theirs gets them.
struct TailCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Print a user's messages as they arrive.",
        discussion: """
            Connects to a node as a client of the user's, and is one of their sessions. Nothing is acknowledged unless \
            --ack is given: what is shown stays pending and comes to the user's own clients, but marked \
            redelivered:true, as a session has been shown it.

            The token is --token; or one made with jwt.secret (BELFRY_JWT_SECRET), as the nodes have it; or the user's \
            id, which is a token in development mode. Ctrl-C ends it.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "The user's id; with --token, checked against the token's.")
    var user: String?

    @Option(help: "Where a node is: ws://, wss://, or for STOMP over TCP stomp://, stomps://.")
    var url = "ws://127.0.0.1:8080/ws"

    @Option(help: "The user's token; - reads it from standard input, where no list of processes shows it.")
    var token: String?

    @Option(help: ArgumentHelp("A topic whose broadcasts are shown too; may be repeated.", valueName: "name"))
    var topic: [String] = []

    @Option(help: ArgumentHelp("Show the last messages first, delivered ones too: 1 to 1000.", valueName: "count"))
    var history: Int?

    @Flag(help: "Print each message as JSON in a line: the body, as clients get it.")
    var json = false

    @Flag(help: "Acknowledge what is shown: it counts as delivered, and comes to no other client of the user's.")
    var ack = false

    func validate() throws {
        guard user != nil || token != nil else { throw ValidationError("Give --user, --token or both.") }
        guard user.map(Identity.isValid(user:)) ?? true else {
            throw ValidationError(
                "--user must be 1 to \(Identity.userBytesMax) bytes of UTF-8 in composed form, no control characters.")
        }
        guard history.map({ (1...1_000).contains($0) }) ?? true else {
            throw ValidationError("--history must be from 1 to 1000.")
        }
        guard topic.allSatisfy({ (1...255).contains($0.utf8.count) }) else {
            throw ValidationError("--topic must be the name of a topic, without /topic/.")
        }
    }

    func execute() async throws {
        let configuration = try await options.load()
        LogBootstrap.run(configuration)
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
