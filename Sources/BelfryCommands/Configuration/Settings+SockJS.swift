import BelfryModel

extension Settings {
    static let sockJS: [Setting] = [
        .prefix(
            "sockjs.path", \.sockJS.path,
            "The path below which SockJS is served to clients that have no WebSocket; `off` for not at all."),
        .flag(
            "sockjs.acknowledgeByCommand", \.sockJS.acknowledgesByCommand,
            "Whether there a SUBSCRIBE without the header `ack` is acknowledged by SENDs to `/app/ack`, instead of by "
                + "having been written."),
        .flag(
            "sockjs.websocket", \.sockJS.takesWebSockets,
            "Whether SockJS may use a WebSocket; `false` where a proxy in front is known to break them."),
        .flag(
            "sockjs.cookie", \.sockJS.usesCookie,
            "Whether each client gets a cookie `JSESSIONID`, for a load balancer that keeps its requests together by "
                + "one. Its session is then for requests with that cookie only."),
        .duration(
            "sockjs.heartBeat", \.sockJS.heartBeat, .seconds(1)...(.seconds(600)),
            "Time without a frame after which a client is sent SockJS's heart-beat."),
        .duration(
            "sockjs.disconnectDelay", \.sockJS.disconnectDelay, .seconds(1)...(.seconds(600)),
            "Time for which a session is kept while its client has no request open."),
        .count(
            "sockjs.responseBytesMax", \.sockJS.responseBytesMax, 4_096...134_217_728, unit: "bytes",
            "One streamed response, after which the client asks for another."),
        .count(
            "sockjs.bodyBytesMax", \.sockJS.bodyBytesMax, 4_096...134_217_728, unit: "bytes",
            "One request by which a client sends, and one message of its WebSocket: a STOMP frame, with escapes."),
        .text(
            "sockjs.clientUrl", \.sockJS.clientURL,
            "Where old browsers load the client's script from, in an `iframe` of the node's origin."),
    ]
}

extension Setting {
    /// A path below which something is served, or `off`.
    static func prefix(_ key: String, _ path: Path<String>, _ summary: String) -> Setting {
        Setting(
            key: key, unit: "URL path", summary: summary, isSecret: false,
            defaultText: BelfryConfiguration()[keyPath: path]
        ) { text, configuration in
            if text.isEmpty || text == "off" {
                configuration[keyPath: path] = ""
                return nil
            }
            let isPath =
                text.hasPrefix("/")
                && text.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
                    .allSatisfy { part in !part.isEmpty && part.utf8.allSatisfy(isOfName) }
            guard isPath, !taken.contains(where: { text == $0 || text.hasPrefix("\($0)/") }) else {
                return "a path such as /stomp-ws, of letters, digits, - and _, that nothing else is served at, or off"
            }
            configuration[keyPath: path] = text
            return nil
        }
    }

    /// Where something else is served.
    private static let taken = ["/ws", "/api", "/dev", "/health", "/metrics"]

    private static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF) || byte == 0x2D || byte == 0x5F
    }
}
