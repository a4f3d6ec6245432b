/// What was seen of Redis.
struct RedisFacts: Sendable, Hashable {
    /// The value of `client-output-buffer-limit`; `nil` where it was refused.
    var outputBufferLimit: String?
    var version = ""
    /// It only follows another server.
    var isReplica = false
    /// Its clock, in seconds since 1970.
    var time: Double?
    /// The word it refused a publication with.
    var publishRefusal: String?
    /// Of connections that call themselves Belfry's subscribers and publishers, the addresses; `nil` where it was
    /// refused.
    var subscribers: [String]?
    var publishers: [String]?
    /// Installations other than this one with subscriptions under the same prefix; `nil` where it was refused, or where
    /// this one's id is not known.
    var foreignInstallations: Set<String>?
    /// What it did not want to tell, by command.
    var refused: [String] = []
}

/// Judges Redis.
enum RedisJudge {
    static let absent = Finding(
        "redis-unconfigured", .note,
        "No redis.url is set: relay and node must be one process (belfry serve), whose bus is in its memory.",
        mend: "export BELFRY_REDIS_URL='redis://…'  # for more than one process")

    static func away(_ reason: String) -> Finding {
        Finding(
            "redis-away", .warning,
            "Redis can't be used from here, so nothing more was looked at there: \(reason) Without it messages come "
                + "up to two seconds later.", mend: "redis-cli -u \"$BELFRY_REDIS_URL\" ping")
    }

    /// - Parameters:
    ///   - nodes: how many nodes run.
    ///   - isLed: whether a relay leads.
    static func findings(_ facts: RedisFacts, nodes: Int?, isLed: Bool?, prefix: String) -> [Finding] {
        var findings = [version(facts.version)]
        if let refusal = facts.publishRefusal {
            findings.append(
                Finding(
                    "redis-publish-refused", .critical,
                    "Redis lets us in and refuses a PUBLISH (\(refusal)): no message goes out by it.",
                    mend: "redis-cli ACL SETUSER belfry '&\(prefix)*' +publish +subscribe +unsubscribe +ping"))
        }
        if facts.isReplica {
            findings.append(
                Finding(
                    "redis-replica", .warning,
                    "This Redis is a replica: what is published here reaches nobody who listens at its primary.",
                    mend: "export BELFRY_REDIS_URL='redis://…'  # the primary, for relays and nodes alike"))
        }
        if let limit = facts.outputBufferLimit, let finding = bufferLimit(limit) { findings.append(finding) }
        findings += connections(facts, nodes: nodes, isLed: isLed)
        if let foreign = facts.foreignInstallations, !foreign.isEmpty {
            findings.append(
                Finding(
                    "redis-prefix-shared", .note,
                    "Under the prefix \"\(prefix)\" there are channels of "
                        + "\(Finding.count(foreign.count, "other installation")), too "
                        + "(\(foreign.sorted().prefix(3).joined(separator: ", "))). They hear nothing of one "
                        + "another, but share this Redis and its rights.",
                    mend: "export BELFRY_REDIS_KEY_PREFIX='other:'  # for relays and nodes alike"))
        }
        if !facts.refused.isEmpty {
            findings.append(
                Finding(
                    "redis-refuses", .note,
                    "Redis does not tell us everything (a managed one, or its ACL): "
                        + "\(facts.refused.joined(separator: ", ")) \(facts.refused.count == 1 ? "was" : "were") "
                        + "refused, and what depends on it not looked at."
                ))
        }
        return findings
    }

    private static func version(_ version: String) -> Finding {
        guard let major = Int(version.prefix { $0 != "." }) else {
            return Finding("redis", .ok, "Redis answers; it does not tell its version.")
        }
        return major < 6
            ? Finding(
                "redis-version", .critical, "Redis is \(version), and Belfry needs 6 or later.",
                mend: "apt install redis-server  # 6 or later")
            : Finding("redis", .ok, "Redis \(version) answers.")
    }

    /// Of `normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60` the last part.
    private static func bufferLimit(_ text: String) -> Finding? {
        let words = text.split(separator: " ")
        guard let place = words.firstIndex(of: "pubsub"), place + 3 < words.count,
            let hard = Int64(words[place + 1]), let soft = Int64(words[place + 2])
        else { return nil }
        // Half of what Redis has by itself: a burst of broadcasts is as much.
        let (hardMin, softMin): (Int64, Int64) = (16 << 20, 4 << 20)
        guard (hard > 0 && hard < hardMin) || (soft > 0 && soft < softMin) else { return nil }
        return Finding(
            "redis-output-buffer", .warning,
            "Redis cuts off a subscriber with \(TableJudge.size(Double(hard))) unread, or "
                + "\(TableJudge.size(Double(soft))) for \(words[place + 3]) s: a burst of messages costs nodes their "
                + "connection, and comes seconds later.",
            mend: "redis-cli CONFIG SET client-output-buffer-limit 'pubsub 33554432 8388608 60'")
    }

    /// What Redis's own list tells of how relays and nodes reach it.
    private static func connections(_ facts: RedisFacts, nodes: Int?, isLed: Bool?) -> [Finding] {
        guard let subscribers = facts.subscribers, let publishers = facts.publishers else { return [] }
        var findings: [Finding] = []
        if let nodes, nodes > 0, subscribers.isEmpty {
            findings.append(
                Finding(
                    "redis-without-nodes", .warning,
                    "\(nodes == 1 ? "A node runs" : "\(nodes) nodes run"), and none is connected to this Redis: they "
                        + "use another one, or can't reach it.",
                    mend: "belfry doctor --node http://…:8080  # asks a node itself"))
        }
        if isLed == true, publishers.isEmpty {
            findings.append(
                Finding(
                    "redis-without-relay", .warning,
                    "A relay leads, and no process is connected to this Redis to publish: it uses another one, or "
                        + "can't reach it.",
                    mend: "belfry doctor --node http://…  # asks a relay, too, at its relay.listen"))
        }
        if findings.isEmpty, !subscribers.isEmpty {
            let hosts = Set(subscribers).sorted().prefix(5).joined(separator: ", ")
            findings.append(
                Finding(
                    "redis-reached", .ok,
                    "\(Finding.count(subscribers.count, "subscriber")) and "
                        + "\(Finding.count(publishers.count, "publisher")) of Belfry's are connected to "
                        + "Redis, from \(hosts)."
                ))
        }
        return findings
    }
}
