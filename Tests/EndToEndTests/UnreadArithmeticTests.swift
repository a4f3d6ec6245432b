import DatabaseSupport
import Foundation
import NIOConcurrencyHelpers
import Postgres
import STOMP
import TestBasics
import TestSupport
import Testing

/// What a session was told to be unread, and what it heard since, is the truth, whatever is written and marked and
/// whichever connections are cut meanwhile.
@Suite struct UnreadArithmeticTests {
    /// Who writes and marks a user's messages.
    enum Writing: CaseIterable {
        /// One after the other: each change tells the counts after it.
        case inTurn
        /// Several at once, in transactions that overlap: each change tells the ids that it marks.
        case atOnce
    }

    /// The body of a MESSAGE.
    private struct Body: Decodable {
        struct Change: Decodable {
            let ids: [String]?
            let unviewed: Int?
            let unseen: Int?
            let changes: Int64?
            let isLast: Bool?
        }

        let id: String
        let type: String
        let data: Change
    }

    /// What a page reckons for its badge.
    private struct Badge {
        private struct Counts: Decodable {
            let unviewed: Int
            let unseen: Int
            let changes: Int64
        }

        let writing: Writing
        private(set) var unviewed = 0
        private(set) var unseen = 0
        private(set) var changes: Int64 = -1
        private var known: Set<String> = []
        private(set) var hasCount = false
        private(set) var hasLast = false

        init(_ writing: Writing) { self.writing = writing }

        mutating func take(_ frame: Frame) throws {
            if frame.headers["unread"] == "true" {
                #expect(!hasCount && known.isEmpty, "it comes first, and once")
                let counts = try JSONDecoder().decode(Counts.self, from: Data(frame.body.readableBytesView))
                (unviewed, unseen, changes, hasCount) = (counts.unviewed, counts.unseen, counts.changes, true)
                return
            }
            let body = try JSONDecoder().decode(Body.self, from: Data(frame.body.readableBytesView))
            #expect(known.insert(body.id).inserted, "\(body.id) came twice")
            if body.data.isLast == true { hasLast = true }
            guard body.type == "JSON_MSG" else { return change(body.data) }
            guard frame.headers["counted"] == nil else { return }
            unviewed += 1
            unseen += 1
        }

        private mutating func change(_ change: Body.Change) {
            guard let number = change.changes, number > changes else { return }
            switch writing {
            case .inTurn: (unviewed, unseen, changes) = (change.unviewed ?? 0, change.unseen ?? 0, number)
            case .atOnce:
                // Each id leaves what is unread once; the count that was told first stays the one to compare with.
                unviewed -= change.ids?.count ?? 0
                unseen -= change.ids?.count ?? 0
            }
        }
    }

    // MARK: Devices

    /// What has come and is to be acknowledged: once the relay has published it, as what is acknowledged before does
    /// not go to the user's other sessions.
    private struct Unanswered {
        private let application: Application
        private var messages: [Int64: Frame] = [:]

        init(_ application: Application) { self.application = application }

        mutating func add(_ frame: Frame) { messages[frame.messageID] = frame }

        mutating func acknowledge(by client: STOMPClient) async throws {
            guard !messages.isEmpty else { return }
            let unpublished = try await application.column(
                """
                select o.message_id from belfry.outbox o cross join belfry.relay_cursor c
                where o.message_id = any($1::bigint[]) and not pg_visible_in_snapshot(o.xid, c.snapshot)
                """, [.int64Array(Array(messages.keys))])
            for (id, message) in messages where !unpublished.contains(String(id)) {
                try await client.ack(message)
                messages[id] = nil
            }
        }
    }

    /// One device of a user's: connects, asks for the count, acknowledges what comes, and is cut off now and then until
    /// `isEnding`. Then it stays until the last message has come. Returns what its badge shows then.
    private static func device(
        _ user: String, _ writing: Writing, on belfry: Installation, seed: UInt64, isEnding: NIOLockedValueBox<Bool>,
        settled: NIOLockedValueBox<Int>
    ) async throws -> (badge: Badge, connections: Int) {
        var generator = SeededGenerator(seed: seed)
        var connections = 0
        let application = try await Application.connect(belfry.databaseURL)
        while true {
            connections += 1
            let client = try await belfry.connect(user, node: Int.random(in: 0...1, using: &generator))
            let headers: Headers = [
                "id": "0", "destination": "/user/queue/msg", "ack": "client-individual", "unread": "true",
            ]
            try await client.send(Frame(.subscribe, headers))
            var (badge, unanswered) = (Badge(writing), Unanswered(application))
            var isSettled = false
            let cutAt = ContinuousClock.now + .milliseconds(Int.random(in: 20...400, using: &generator))
            let limit = ContinuousClock.now + .seconds(60)
            while !badge.hasLast, ContinuousClock.now < limit {
                for frame in client.takeFrames() {
                    try badge.take(frame)
                    if frame.headers["ack"] != nil { unanswered.add(frame) }
                }
                try await unanswered.acknowledge(by: client)
                if !isEnding.withLockedValue({ $0 }) {
                    if ContinuousClock.now > cutAt { break }
                } else if badge.hasCount, !isSettled {
                    isSettled = true
                    settled.withLockedValue { $0 += 1 }
                }
                try await Task.sleep(for: .milliseconds(2))
            }
            if badge.hasLast {
                try await client.disconnect()
                await application.close()
                return (badge, connections)
            }
            try #require(ContinuousClock.now < limit, "\(user)'s last message never came")
            if Bool.random(using: &generator) { try await client.disconnect() } else { await client.socket.abort() }
        }
    }

    // MARK: Writers

    private static func insert(_ user: String, _ count: Int) -> String {
        """
        insert into belfry.message_log (receiver, type, data)
        select '\(user)', 'JSON_MSG', '{}' from generate_series(1, \(count))
        """
    }

    /// Writes and marks until the time is over.
    private static func writeInTurn(_ user: String, url: String, seed: UInt64, until end: ContinuousClock.Instant)
        async throws
    {
        var generator = SeededGenerator(seed: seed)
        let application = try await Application.connect(url)
        let one =
            "coalesce((select id from belfry.message_log where receiver = '\(user)' order by random() limit 1), 1)"
        let some = "array(select id from belfry.message_log where receiver = '\(user)' order by random() limit 5)"
        while ContinuousClock.now < end {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0: try await application.run("select belfry.mark_viewed('\(user)', ids => \(some))")
            case 1: try await application.run("select belfry.mark_viewed('\(user)', up_to => \(one))")
            case 2: try await application.run("select belfry.mark_seen('\(user)', \(one))")
            case 3: try await application.run("select belfry.delete_for('\(user)', \(some))")
            case 4: try await application.run("select belfry.snooze('\(user)', \(one), now() + interval '1 hour')")
            default: try await application.run(insert(user, Int.random(in: 1...3, using: &generator)))
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...8, using: &generator)))
        }
        await application.close()
    }

    /// One of several: transactions stay open for a while, and some are rolled back.
    private static func writeAtOnce(_ user: String, url: String, seed: UInt64, until end: ContinuousClock.Instant)
        async throws
    {
        var generator = SeededGenerator(seed: seed)
        let application = try await Application.connect(url)
        while ContinuousClock.now < end {
            try await application.run("begin")
            for _ in 0...Int.random(in: 0...2, using: &generator) {
                try await application.run(insert(user, 1))
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...15, using: &generator)))
            }
            try await application.run(Int.random(in: 0..<6, using: &generator) == 0 ? "rollback" : "commit")
        }
        await application.close()
    }

    /// Marks by ids what the others write.
    private static func markAtOnce(_ user: String, url: String, until end: ContinuousClock.Instant) async throws {
        let application = try await Application.connect(url)
        while ContinuousClock.now < end {
            try await application.run(
                """
                select belfry.mark_viewed('\(user)', ids => array(
                    select id from belfry.message_log
                    where receiver = '\(user)' and type = 'JSON_MSG' and viewed_at is null order by random() limit 2))
                """)
            try await Task.sleep(for: .milliseconds(5))
        }
        await application.close()
    }

    private static func write(
        _ user: String, _ writing: Writing, url: String, seed: UInt64, until end: ContinuousClock.Instant
    ) async throws {
        switch writing {
        case .inTurn: try await writeInTurn(user, url: url, seed: seed, until: end)
        case .atOnce:
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number: UInt64 in 1...3 {
                    group.addTask { try await writeAtOnce(user, url: url, seed: seed * 10 + number, until: end) }
                }
                group.addTask { try await markAtOnce(user, url: url, until: end) }
                try await group.waitForAll()
            }
        }
    }

    // MARK: All of it

    @Test(arguments: Writing.allCases, [UInt64(1), 2])
    func everyDeviceKnowsWhatIsUnread(_ writing: Writing, _ seed: UInt64) async throws {
        let users = ["alice", "bob"]
        let devicesOfEach = 3
        try await Installation.with(nodes: 2) { belfry in
            let (isEnding, settled) = (NIOLockedValueBox(false), NIOLockedValueBox(0))
            let end = ContinuousClock.now + .seconds(3)
            try await withThrowingTaskGroup(of: (String, Badge, Int).self) { group in
                for (place, user) in users.enumerated() {
                    for number in 0..<devicesOfEach {
                        let seed = seed * 1_000 + UInt64(place * 10 + number)
                        group.addTask {
                            let (badge, connections) = try await Self.device(
                                user, writing, on: belfry, seed: seed, isEnding: isEnding, settled: settled)
                            return (user, badge, connections)
                        }
                    }
                }
                try await withThrowingTaskGroup(of: Void.self) { writers in
                    for (place, user) in users.enumerated() {
                        let (url, seed) = (belfry.databaseURL, seed * 100 + UInt64(place))
                        writers.addTask { try await Self.write(user, writing, url: url, seed: seed, until: end) }
                    }
                    try await writers.waitForAll()
                }
                isEnding.withLockedValue { $0 = true }
                try await eventually("every device has its count") {
                    settled.withLockedValue { $0 } == users.count * devicesOfEach
                }
                var truths: [String: [String]] = [:]
                for user in users {
                    try await belfry.application.notify(user, "{\"isLast\": true}")
                    truths[user] = try await belfry.application.connection.rows(
                        "select unviewed, unseen, changes from belfry.unread('\(user)')"
                    ).first
                }
                var connections = 0
                for try await (user, badge, count) in group {
                    let known = writing == .inTurn ? [badge.unviewed, badge.unseen] : [badge.unviewed]
                    let truth = try #require(truths[user])
                    #expect(known.map(String.init) == Array(truth.prefix(known.count)), "\(user), seed \(seed)")
                    // A change that has changed nothing is counted, and not told.
                    #expect(badge.changes <= Int64(truth[2]) ?? 0, "\(user), seed \(seed)")
                    connections += count
                }
                #expect(connections > users.count * devicesOfEach * 3, "they were cut off")
                for truth in truths.values {
                    #expect((1..<1_000).contains(Int(truth[0]) ?? 0), "there is something to count, and not too much")
                }
            }
        }
    }
}
