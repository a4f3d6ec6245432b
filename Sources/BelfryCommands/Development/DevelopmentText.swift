import Foundation

/// What `belfry dev` tells its user.
struct DevelopmentText: Sendable {
    let listen: ListenAddress
    let applicationURL: String
    let operatorURL: String
    let folder: DevelopmentFolder
    /// With everything else, at its port.
    let isServingConsole: Bool

    /// The line that opens the database as an application does.
    var psqlProgram: String { "psql '\(applicationURL)'" }

    /// This program as it was called, for another line of the same terminal.
    private var program: String {
        let path = CommandLine.arguments.first ?? "belfry"
        return path.contains(where: { $0 == " " || $0 == "'" })
            ? "'\(path.replacingOccurrences(of: "'", with: "'\\''"))'" : path
    }

    /// A line for another terminal that sends a notification to alice.
    var psql: String {
        psqlProgram + " -c \"INSERT INTO belfry.message_log (receiver, type, data) "
            + "VALUES ('alice', 'JSON_MSG', '{\\\"hello\\\":\\\"world\\\"}')\""
    }

    /// - Parameters:
    ///   - port: where the node listens in fact.
    ///   - stompPort: the same for STOMP over TCP.
    func text(port: Int, stompPort: Int?) -> String {
        let everywhere = listen.host == "0.0.0.0" || listen.host == "::"
        let address = ListenAddress(host: everywhere ? "localhost" : listen.host, port: port)
        let stomp = stompPort.map { port in
            "\n  STOMP        \(ListenAddress(host: address.host, port: port))   (over TCP; the same)"
        }
        let console = "\n  Console      http://\(address)/console   (as any user: what operators see)"
        return """

            Belfry \(BelfryVersion.current) is ready.

              Demo page    http://\(address)/   (connect as alice)\(isServingConsole ? console : "")
              WebSocket    ws://\(address)/ws   (STOMP 1.2; the token is the user's id)\(stomp ?? "")
              Send one     \(psql)
              Look         \(program) status --postgres-url '\(operatorURL)'
              Data         \(folder.path), \(folder.isTemporary ? "deleted at the end (--keep keeps it)" : "kept")
              Stop         Ctrl-C

            """
    }
}
