import Foundation

/// What `belfry dev` tells its user.
struct DevelopmentText: Sendable {
    let listen: ListenAddress
    let applicationURL: String
    let operatorURL: String
    let folder: DevelopmentFolder

    /// A line for another terminal that sends a notification to alice.
    var psql: String {
        "psql '\(applicationURL)' -c \"INSERT INTO belfry.message_log (receiver, type, data) "
            + "VALUES ('alice', 'JSON_MSG', '{\\\"hello\\\":\\\"world\\\"}')\""
    }

    /// - Parameter port: where the node listens in fact.
    func text(port: Int) -> String {
        let everywhere = listen.host == "0.0.0.0" || listen.host == "::"
        let address = ListenAddress(host: everywhere ? "localhost" : listen.host, port: port)
        return """

            Belfry \(BelfryVersion.current) is ready.

              Demo page    http://\(address)/   (connect as alice)
              WebSocket    ws://\(address)/ws   (STOMP 1.2; the token is the user's id)
              Send one     \(psql)
              Look         belfry status --postgres-url '\(operatorURL)'
              Data         \(folder.path), \(folder.isTemporary ? "deleted at the end (--keep keeps it)" : "kept")
              Stop         Ctrl-C

            """
    }
}
