import BelfryModel
import Logging

/// Every setting there is. `docs/configuration.md` is made of this table by `belfry settings --markdown`.
enum Settings {
    static let all: [Setting] =
        postgres + redis + process + listening + tls + webSocket + sockJS + api + authentication + log
        + connectionLimits
        + sessionLimits + deliveryLimits + relayLimits + retention + escalation + trace

    /// The setting of that name.
    static func named(_ key: String) -> Setting? { all.first { $0.key == key } }

    static let postgres: [Setting] = [
        .url(
            "postgres.url", \.postgresURL, schemes: ["postgresql", "postgres"],
            "The database, as a user in the role belfry_service (for `notify`: belfry_writer, for `status` and "
                + "`replay`: belfry_operator, for `migrate`: the owner of the schema)."),
        .url(
            "postgres.listenUrl", \.postgresListenURL, schemes: ["postgresql", "postgres"],
            "A direct connection for LISTEN and the relay's own statements, where postgres.url goes through a pooler; "
                + "postgres.url when absent."),
        .count(
            "postgres.poolSize", \.postgresPoolSize, 1...100, unit: "connections",
            "Connections that the process keeps open, beside the relay's three and the node's one."),
        .count(
            "postgres.requestPoolSize", \.postgresRequestPoolSize, 1...100, unit: "connections",
            "Connections that a node keeps open besides, for what clients ask for by `/api` and `/app`."),
    ]

    static let redis: [Setting] = [
        .url(
            "redis.url", \.redisURL, schemes: ["redis", "rediss"],
            "The Redis between relay and nodes; without it `serve` keeps the bus in its own memory, and `relay` and "
                + "`node` don't start."),
        .text(
            "redis.keyPrefix", \.redisKeyPrefix,
            "The prefix of every channel's name in Redis, before the installation's id."),
    ]

    static let process: [Setting] = [
        .optionalCount(
            "threads", \.threads, 1...1024, unit: "threads",
            "Event loops of the process; one for each core when absent."),
        .optionalAddress(
            "relay.listen", \.relayListen,
            "Where `belfry relay` serves /health and /metrics; without it a relay has no port. Not used where a node "
                + "runs."),
    ]

    static let webSocket: [Setting] = [
        .flag(
            "webSocket.compression", \.webSocketCompression,
            "Compresses messages for clients that offer permessage-deflate, as browsers do: fewer bytes on the wire, "
                + "for a multiple of the processor time that a message takes."),
        .count(
            "webSocket.compressionLevel", \.webSocketCompressionLevel, 1...9, unit: "level",
            "How hard it is tried, from 1 (fast) to 9 (small)."),
        .count(
            "webSocket.compressedBytesMin", \.webSocketCompressedBytesMin, 1...1_048_576, unit: "bytes",
            "The smallest message that is compressed."),
    ]

    static let log: [Setting] = [
        .choice("log.level", \.logLevel, "The lowest level that is logged."),
        .choice("log.format", \.logFormat, "Lines for people or JSON objects for machines, on standard error."),
    ]

    static let sessionLimits: [Setting] = [
        .count(
            "limits.headerLineBytesMax", \.limits.headerLineBytesMax, 1_024...1_048_576, unit: "bytes",
            "One header line of a client's frame; a token must fit in it."),
        .count(
            "limits.headerBytesMax", \.limits.headerBytesMax, 4_096...1_048_576, unit: "bytes",
            "All header lines of one frame of a client together."),
        .count("limits.headersMax", \.limits.headersMax, 16...1_024, "Headers in one frame of a client."),
        .count(
            "limits.bodyBytesMax", \.limits.bodyBytesMax, 1_024...67_108_864, unit: "bytes",
            "The body of one frame of a client."),
        .count(
            "limits.webSocketMessageBytesMax", \.limits.webSocketMessageBytesMax, 4_096...134_217_728, unit: "bytes",
            "One WebSocket message of a client, all its fragments together; the largest STOMP frame must fit in it."),
        .duration(
            "limits.connectTimeout", \.limits.connectTimeout, .milliseconds(100)...(.seconds(600)),
            "Time from a connection to the end of its authentication."),
        .count(
            "limits.authenticationsMax", \.limits.authenticationsMax, 1...1_000_000, unit: "clients",
            "Clients of one node that wait at once for others to say who they are (keys, passwords, the application); "
                + "further ones are told to come back."),
        .count(
            "limits.outboundBytesMax", \.limits.outboundBytesMax, 65_536...1_073_741_824, unit: "bytes",
            "What may wait for a client that reads slowly; beyond it the session is closed, and nothing is lost."),
        .count(
            "limits.inFlightMax", \.limits.inFlightMax, 1...100_000, unit: "messages",
            "Messages sent and not yet acknowledged on one subscription; further ones wait in PostgreSQL."),
        .count(
            "limits.subscriptionsMax", \.limits.subscriptionsMax, 1...10_000, unit: "subscriptions",
            "Subscriptions of one session."),
        .count(
            "limits.framesPerSecondMax", \.limits.framesPerSecondMax, 10...10_000_000, unit: "frames",
            "STOMP frames of one session in a second; a client that sends more is read from more slowly."),
        .count(
            "limits.transactionsMax", \.limits.transactionsMax, 1...1_000, unit: "transactions",
            "STOMP transactions that one session has open at a time."),
        .count(
            "limits.transactionBytesMax", \.limits.transactionBytesMax, 1_024...134_217_728, unit: "bytes",
            "What the open transactions of one session hold."),
        .duration(
            "limits.sendTimeout", \.limits.sendTimeout, .milliseconds(100)...(.seconds(600)),
            "Time in which PostgreSQL must take what a client sends; after it the session ends with an ERROR."),
        .count(
            "limits.sessionsPerUserMax", \.limits.sessionsPerUserMax, 1...100_000, unit: "sessions",
            "Sessions of one user, over all nodes."),
        .flag(
            "limits.closesOldestSession", \.limits.closesOldestSession,
            "Whether a session too many closes its user's oldest; else it is refused itself."),
        .count(
            "limits.sessionsMax", \.limits.sessionsMax, 1...10_000_000, unit: "sessions", "Sessions on one node."),
        .count(
            "limits.heartBeatMilliseconds", \.limits.heartBeatMilliseconds, 0...600_000, unit: "ms",
            "What the node offers and wants as STOMP heart-beats; 0 turns them off."),
    ]

    static let deliveryLimits: [Setting] = [
        .count(
            "limits.backlogRowsMax", \.limits.backlogRowsMax, 1...10_000, unit: "rows",
            "Rows of one backlog read for one subscription."),
        .duration(
            "limits.markInterval", \.limits.markInterval, .milliseconds(1)...(.seconds(10)),
            "Time in which acknowledgements are gathered before they are written as one statement."),
        .duration(
            "limits.reconcileInterval", \.limits.reconcileInterval, .milliseconds(100)...(.seconds(3_600)),
            "Pause between two looks into the outbox for messages that Redis may have lost."),
        .duration(
            "limits.degradedInterval", \.limits.degradedInterval, .milliseconds(50)...(.seconds(60)),
            "The same pause while Redis is away; messages then wait for up to this long."),
        .duration(
            "limits.nackDelay", \.limits.nackDelay, .milliseconds(100)...(.seconds(86_400)),
            "Pause before a message that was refused by NACK is sent again."),
        .duration(
            "limits.commandAckTimeout", \.limits.commandAckTimeout, .milliseconds(100)...(.seconds(3_600)),
            "Time after which an unacknowledged message comes again to a page that acknowledges by SENDs to /app/ack; "
                + "twice that at most."),
        .count("limits.nacksMax", \.limits.nacksMax, 1...1_000, "NACKs after which a message is parked."),
        .duration(
            "limits.topicHold", \.limits.topicHold, .seconds(1)...(.seconds(86_400)),
            "How long a broadcast stays in the outbox for nodes that missed it."),
    ]

    static let relayLimits: [Setting] = [
        .count(
            "limits.claimRowsMax", \.limits.claimRowsMax, 1...100_000, unit: "rows",
            "Rows that the relay claims and publishes at a time."),
        .count(
            "limits.envelopeBytesMax", \.limits.envelopeBytesMax, 1_024...536_870_912, unit: "bytes",
            "The largest envelope that is published; a message with a larger one is parked."),
        .count(
            "limits.publishAttemptsMax", \.limits.publishAttemptsMax, 1...1_000,
            "Tries to publish one message before it is parked."),
        .duration(
            "limits.pollInterval", \.limits.pollInterval, .milliseconds(10)...(.seconds(60)),
            "The relay's pause between two reads while notifications do not arrive."),
        .duration(
            "limits.safetyPollInterval", \.limits.safetyPollInterval, .milliseconds(100)...(.seconds(3_600)),
            "The pause after which a sleeping relay reads without having been notified."),
    ]
}
