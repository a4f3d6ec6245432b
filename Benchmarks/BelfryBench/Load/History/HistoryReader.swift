import Floors

/// One user's calls on a history, each timed many times over one connection.
final class HistoryReader {
    /// A page of a history.
    static let pageRows = 50
    /// Answers to one call in a round; of changes, which are committed, fewer.
    private static let calls = 200
    private static let changes = 40

    private let log: HistoryLog
    private let user: String
    private let count: Int
    private let connection: BareConnection
    /// Above the newest message, one in the middle, and one with a page below it.
    private let places: [(name: String, before: Int64)]

    private static let statements = [
        "page": "select * from belfry.history($1, before => $2::bigint, \"limit\" => \(pageRows))",
        "unread": "select * from belfry.unread($1)",
        "viewed": "select * from belfry.mark_viewed($1, up_to => $2::bigint)",
        "bare page": """
        select id, type, data, created_at from bare.message where receiver = $1 and id < $2::bigint
        order by id desc limit \(pageRows)
        """,
        "bare unread": """
        select count(*) from (
            select from bare.message where receiver = $1 and id > $2::bigint order by id desc limit 1000) m
        """,
        "bare viewed": """
        insert into bare.mark (receiver, up_to) values ($1, $2::bigint)
        on conflict (receiver) do update set up_to = excluded.up_to
        """,
    ]

    /// - Parameters:
    ///   - user: who has `count` messages in the log, at least a page.
    init(_ log: HistoryLog, url: String, user: String, count: Int) throws {
        self.log = log
        self.user = user
        self.count = count
        connection = try BareConnection(url: url)
        for (name, sql) in Self.statements { try connection.prepare(name, sql) }
        var places = [(name: "newest", before: HistoryLog.endOfIDs)]
        if count > Self.pageRows {
            places.append(("middle", try log.id(of: user, newer: count / 2)))
            places.append(("oldest", try log.id(of: user, newer: count - Self.pageRows - 1)))
        }
        self.places = places
    }

    /// What each call takes, by its name, in microseconds: the median.
    ///
    /// - Parameter round: other users are read in each.
    func times(round: Int) throws -> [String: Double] {
        var times: [String: Double] = [:]
        for place in places {
            times[place.name] = try page("page", before: place.before)
        }
        times["others"] = try othersPage("page", round: round)
        times["unread"] = try unread(min(count, 1_000))
        let mark = try log.id(of: user, newer: 0)
        times["viewed"] = try Self.median(Self.changes) { _ in
            try log.forgetMarks()
            return try time("viewed", [user, "\(mark)"]) { result in
                guard result.string(0, 0) == "0" else { throw Self.wrong("unviewed", result.string(0, 0), "0") }
            }
        }
        times["nothing unread"] = try unread(0)
        try log.forgetMarks()
        try log.settle()
        return times
    }

    /// The same of the bare tables.
    func bareTimes(round: Int) throws -> [String: Double] {
        // As in the functions: without them PostgreSQL, which expects the average user, reads all that the large one
        // has and sorts it, which takes forty milliseconds of 20,000 messages.
        try connection.execute("set enable_sort = off; set enable_bitmapscan = off; set enable_seqscan = off")
        try connection.execute("set jit = off")
        var times: [String: Double] = [:]
        for place in places {
            times[place.name] = try page("bare page", before: place.before)
        }
        times["others"] = try othersPage("bare page", round: round)
        let mark = try log.id(of: user, newer: 0)
        for (name, after, expected) in [("unread", Int64(0), min(count, 1_000)), ("nothing unread", mark, 0)] {
            times[name] = try Self.median(Self.calls) { _ in
                try time("bare unread", [user, "\(after)"]) { result in
                    guard result.string(0, 0) == "\(expected)" else {
                        throw Self.wrong("unread messages", result.string(0, 0), "\(expected)")
                    }
                }
            }
        }
        times["viewed"] = try Self.median(Self.changes) { _ in
            try connection.execute("delete from bare.mark")
            return try time("bare viewed", [user, "\(mark)"]) { _ in }
        }
        try log.settle()
        return times
    }

    /// A page of this user's, the same each time.
    private func page(_ statement: String, before: Int64) throws -> Double {
        try Self.median(Self.calls) { _ in
            try time(statement, [user, "\(before)"]) { try Self.check(page: $0) }
        }
    }

    /// The newest page of users who each were not asked about before.
    private func othersPage(_ statement: String, round: Int) throws -> Double {
        // A number without a common factor steps through all users; the contenders take others in each round.
        let offset = (statement == "page" ? 0 : 17) + round * 37
        return try Self.median(Self.calls) { call in
            var number = (offset + call * 7_919) % log.users
            if !HistoryLog.hasMessages(number) { number += 1 }
            return try time(statement, [HistoryLog.user(number), "\(HistoryLog.endOfIDs)"]) { try Self.check(page: $0) }
        }
    }

    private func unread(_ expected: Int) throws -> Double {
        try Self.median(Self.calls) { _ in
            try time("unread", [user]) { result in
                guard result.string(0, 0) == "\(expected)" else {
                    throw Self.wrong("unread messages", result.string(0, 0), "\(expected)")
                }
            }
        }
    }

    private static func check(page: borrowing BareResult) throws {
        guard page.rowCount == pageRows else { throw wrong("messages in a page", "\(page.rowCount)", "\(pageRows)") }
    }

    private static func wrong(_ what: String, _ found: String, _ right: String) -> BenchmarkError {
        BenchmarkError("There are \(found) \(what) instead of \(right).")
    }

    /// Microseconds of one call, whose answer is checked.
    private func time(
        _ statement: String, _ values: [String], _ check: (borrowing BareResult) throws -> Void
    ) throws -> Double {
        let began = BareClock.nanoseconds
        let result = try connection.execute(prepared: statement, values)
        let ended = BareClock.nanoseconds
        try check(result)
        return Double(ended - began) / 1e3
    }

    /// The median of so many calls after the first few.
    static func median(_ calls: Int, _ call: (Int) throws -> Double) throws -> Double {
        var samples: [Double] = []
        for number in 0..<(calls + 5) { samples.append(try call(number)) }
        return Statistics.median(Array(samples.dropFirst(5))) ?? 0
    }
}
