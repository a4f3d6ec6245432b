import ArgumentParser
import Authentication
import Foundation
import PasswordAuthentication

/// `belfry password`: makes a line for the list of logins.
struct PasswordCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "password",
        abstract: "Print a line for the list of logins, with the hash of a password.",
        discussion: """
            Reads the password from standard input, without its line's end; asks for it where that is a terminal. Add \
            the line to the file that the setting passwords names; nodes read it again by themselves.
            """)

    @Option(help: "The login, which is the user's id.")
    var user: String

    @Option(
        help: ArgumentHelp(
            "A pattern of topics that the user may subscribe to; may be repeated; every topic when absent.",
            valueName: "pattern"))
    var subscribe: [String] = []

    @Flag(help: "The user may subscribe to no topic.")
    var subscribeNone = false

    @Option(
        help: ArgumentHelp(
            "A pattern of destinations that the user may send to; may be repeated; none when absent.",
            valueName: "pattern"))
    var send: [String] = []

    @Flag(
        name: .customLong("operator"),
        help: "The user is an operator: may see others' messages and sessions, and replay, cancel and disconnect.")
    var isOperator = false

    @Flag(name: .customLong("operator-view"), help: "The user may see what operators see, and change nothing.")
    var isViewer = false

    func validate() throws {
        let isOneWord = !user.contains { $0.isWhitespace || $0 == ":" } && !user.hasPrefix("#")
        guard Identity.isValid(user: user), isOneWord else {
            throw ValidationError("--user must be a user's id without blanks and colons, and not begin with '#'.")
        }
        guard Rights.patterns(subscribe) != nil, Rights.patterns(send) != nil,
            !(subscribe + send).contains(where: { $0.contains(where: \.isWhitespace) })
        else {
            throw ValidationError(
                "--subscribe and --send must be patterns of destinations without blanks, such as /topic/news or "
                    + "/user/**, \(Rights.patternsMax) at most.")
        }
        guard subscribe.isEmpty || !subscribeNone else {
            throw ValidationError("--subscribe and --subscribe-none exclude each other.")
        }
    }

    func execute() async throws {
        guard let password = Self.password(), !password.isEmpty else {
            throw CommandFailure("No password came on standard input.")
        }
        let topics = subscribe.isEmpty && !subscribeNone ? nil : subscribe
        print(
            PasswordList.line(
                login: user, hash: try PasswordHash(of: password), subscribe: topics, send: send,
                operatorRight: isOperator ? .act : isViewer ? .view : .none))
    }

    /// From the terminal without showing it, else the first line of standard input.
    private static func password() -> String? {
        guard isatty(STDIN_FILENO) == 1 else { return readLine() }
        return getpass("Password: ").map { String(cString: $0) }
    }
}
