import Foundation

/// What a user's history costs, by the size of the user's and by that of the log, beside the barest table with an
/// index.
struct HistoryScenario: Scenario {
    let name = "history"
    let summary = "a page of 50, unread and viewed in a log of 10 million, by SQL and HTTP, beside a bare table"

    private static let fewMessages = "user with 50"
    private static let smallLog = "log of 100,000"
    private static let bare = "bare table"
    private static let sql = "SQL"
    private static let smallCount = 100_000
    private static let smallDatabase = "belfry_small_log"

    private static let names = [
        "newest": "page of 50, newest", "middle": "page of 50, middle", "oldest": "page of 50, oldest",
        "others": "page of 50, of another user each", "unread": "unread, all of it",
        "nothing unread": "unread, none of it", "viewed": "viewed up to the newest",
        "page by HTTP": "page of 50 by HTTP", "unread by HTTP": "unread by HTTP",
    ]

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        try await Teardown.run { teardown in
            context.progress("history: starting PostgreSQL and Redis")
            let servers = try await ScenarioServers.start(context)
            teardown.add { await servers.stop() }
            let large = try await fill(context, servers, servers.postgresURL, Self.largeCount(context))
            let url = try await servers.addDatabase(Self.smallDatabase, context)
            let small = try await fill(context, servers, url, Self.smallCount)
            var contenders: [(name: String, run: (Int) async throws -> [String: Double])] = []
            for (name, place, isLarge) in [
                (Measure.belfry, large, true), (Self.fewMessages, large, false), (Self.smallLog, small, true),
            ] {
                let node = try await BelfryServer.start(
                    "node", context,
                    settings: servers.belfrySettings.merging(APIConnection.nodeSettings) { $1 }
                        .merging(["BELFRY_POSTGRES_URL": place.url]) { $1 },
                    name: "node-\(contenders.count)")
                teardown.add { await node.stop() }
                contenders.append((name, { round in try await Self.times(place, isLarge, round, port: node.port) }))
            }
            contenders.append((Self.bare, { round in try await Self.bareTimes(large, round) }))
            return result(try await context.interleave(name, contenders), large)
        }
    }

    private static func largeCount(_ context: ScenarioContext) -> Int { context.isQuick ? 1_000_000 : 10_000_000 }

    /// A log and its database.
    private struct Place: Sendable {
        let log: HistoryLog
        let url: String

        /// A user, and how many messages are theirs.
        func user(isLarge: Bool) -> (id: String, count: Int) {
            isLarge
                ? (HistoryLog.largeUser, log.largeCount) : (HistoryLog.user(1), HistoryLog.messagesEach)
        }
    }

    private func fill(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ url: String, _ count: Int
    ) async throws -> Place {
        context.progress("history: filling a log with \(count) messages")
        let log = try await onOwnThread { try HistoryLog(url: url, count: count) }
        context.progress("history: making the index for histories")
        try await servers.migrate(context, url: url, options: ["--history", "on"])
        context.progress("history: making the bare table")
        try await onOwnThread { try log.finish() }
        return Place(log: log, url: url)
    }

    private static func times(
        _ place: Place, _ isLarge: Bool, _ round: Int, port: Int
    ) async throws -> [String: Double] {
        try await onOwnThread {
            let user = place.user(isLarge: isLarge)
            let reader = try HistoryReader(place.log, url: place.url, user: user.id, count: user.count)
            let client = try HistoryClient(port: port, user: user.id, count: user.count)
            return try reader.times(round: round).merging(try client.times()) { $1 }
        }
    }

    private static func bareTimes(_ place: Place, _ round: Int) async throws -> [String: Double] {
        try await onOwnThread {
            let user = place.user(isLarge: true)
            return try HistoryReader(place.log, url: place.url, user: user.id, count: user.count)
                .bareTimes(round: round)
        }
    }

    // MARK: The result

    private func result(_ values: [String: [String: [Double]]], _ large: Place) -> ScenarioResult {
        func samples(_ contender: String, _ key: String) -> [Double] { values[contender]?[key] ?? [] }
        func measure(_ key: String, beside others: [String], _ targets: [Target]) -> Measure {
            Measure(
                Self.names[key] ?? key, unit: "µs",
                ([Measure.belfry] + others).map { Contender($0, samples($0, key)) }, targets: targets)
        }
        // The same whatever the size of the log.
        let asSmall = Target(.atMost, 1.5, of: Self.smallLog)
        let underAMillisecond = Target(.atMost, 1_000)
        let all = [Self.fewMessages, Self.smallLog, Self.bare]
        var measures = [
            measure("newest", beside: all, [asSmall]),
            measure("middle", beside: [Self.smallLog, Self.bare], [asSmall]),
            measure("oldest", beside: [Self.smallLog, Self.bare], [asSmall]),
            measure("others", beside: [Self.smallLog, Self.bare], []),
            measure("unread", beside: all, [underAMillisecond, asSmall]),
            measure("nothing unread", beside: all, [underAMillisecond, asSmall]),
            measure("viewed", beside: all, [asSmall]),
        ]
        for (key, byHand) in [("page by HTTP", "newest"), ("unread by HTTP", "unread")] {
            var byHTTP = measure(key, beside: [Self.fewMessages, Self.smallLog], [asSmall])
            byHTTP.contenders.append(Contender(Self.sql, samples(Measure.belfry, byHand)))
            measures.append(byHTTP)
        }
        return ScenarioResult(name, measures, notes: notes(large))
    }

    private func notes(_ large: Place) -> [String] {
        [
            "A log of \(large.log.count) messages to \(large.log.users) users, of whom one has \(large.log.largeCount) "
                + "and the others 50 each; \(Self.smallLog): the same with \(Self.smallCount / 50) for the one. All "
                + "histories lie spread over the whole log, and nothing is viewed before.",
            "Medians of 200 calls (of marking 40, each from nothing viewed and committed) over one connection. \"All "
                + "of it\" is 1000 and more, but 50 for the user with 50.",
            "The bare table holds the same messages and one index on (receiver, id), and knows nothing of what is "
                + "viewed, deleted or expired. Its marking is an upsert of one row, and its count stops at 1000.",
            "Of another user each: pages that nobody has asked for before, whose 50 rows lie in 50 pages of the table. "
                + "PostgreSQL's cache has 512 MB, the log several gigabytes that the kernel may have cached.",
        ]
    }
}
