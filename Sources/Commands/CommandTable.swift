/// The commands that a node serves, by name.
public struct CommandTable: Sendable {
    /// What comes before a command's name in a STOMP destination.
    private static let prefix = "/app/"

    private let commands: [String: any AppCommand]

    /// - Parameter commands: of several with one name the last is served.
    public init(_ commands: [any AppCommand] = []) {
        self.commands = Dictionary(commands.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    }

    /// Whether a STOMP destination is one of commands, served or not.
    public static func isCommand(_ destination: String) -> Bool { destination.utf8.starts(with: prefix.utf8) }

    /// The command for a STOMP destination `/app/<name>`; `nil` for every other text.
    public func command(for destination: String) -> (any AppCommand)? {
        guard Self.isCommand(destination) else { return nil }
        return commands[String(decoding: destination.utf8.dropFirst(Self.prefix.utf8.count), as: UTF8.self)]
    }
}
