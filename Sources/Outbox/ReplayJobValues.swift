import BelfryModel
import Postgres

/// A replay that the leading relay carries out in batches, as it stood when it was read.
public struct ReplayJob: Sendable, Hashable {
    /// What becomes of it. A schema newer than this program may have others.
    public enum State: String, Sendable {
        case running, paused, done, cancelled, failed

        /// Nothing comes after it, unless it is resumed.
        public var isEnd: Bool { self != .running && self != .paused }
    }

    public let id: Int64
    public let state: State
    /// Why it is in this state, where there is more to say.
    public let reason: String?
    /// The user of a token, or the role that had logged in to PostgreSQL.
    public let createdBy: String
    /// The criteria as a JSON object.
    public let criteria: String
    /// Messages a second at most.
    public let rate: Int
    /// How much of the log's ids it has looked at, from 0 to 1.
    public let progress: Double
    public let matched: Int
    public let queued: Int
    public let skipped: Int
    /// Messages that another transaction holds, to be tried again.
    public let held: Int
    public let ageSeconds: Double
    /// The whole as a JSON object.
    public let json: String

    init?(_ result: PostgresResult, row: Int) {
        guard let id = result.int64(row, 0), let state = State(rawValue: result.string(row, 1)) else { return nil }
        func count(_ column: Int) -> Int { Int(result.int64(row, column) ?? 0) }
        self.id = id
        self.state = state
        reason = result.optionalString(row, 2)
        createdBy = result.string(row, 3)
        criteria = result.string(row, 4)
        rate = count(5)
        progress = result.double(row, 6) ?? 0
        matched = count(7)
        queued = count(8)
        skipped = count(9)
        held = count(10)
        ageSeconds = result.double(row, 11) ?? 0
        json = result.string(row, 12)
    }
}

/// What a job would come to, as far as a look of two seconds tells.
public struct ReplayEstimate: Sendable, Hashable {
    /// Messages that matched in the part of the log that was looked at.
    public let matched: Int
    /// That was all of it.
    public let isComplete: Bool
    /// How many may match in all.
    public let estimated: Int
    /// How long the job would take at its rate.
    public let seconds: Int
    /// The first of them, ten at most.
    public let sample: [MessageID]

    init(_ result: PostgresResult) {
        matched = Int(result.int64(0, 0) ?? 0)
        isComplete = result.bool(0, 1)
        estimated = Int(result.int64(0, 2) ?? 0)
        seconds = Int(result.int64(0, 3) ?? 0)
        sample = result.int64List(0, 4).map(MessageID.init(rawValue:))
    }
}

/// What an operator does with a job.
public enum ReplayJobChange: String, Sendable, CaseIterable {
    case pause, resume, cancel
}

/// What came of a batch of a job.
public struct ReplayStep: Sendable, Hashable {
    public enum Outcome: String, Sendable {
        /// The walk has gone on, or something that had been held was queued.
        case moved
        case done
        /// All that is left is held by other transactions.
        case held
        /// Not yet, by the job's rate.
        case paced
        /// The relay has too much to publish already.
        case full
        /// It is not running any more, or an operator is about to change it.
        case gone
        /// Another relay leads.
        case deposed
    }

    public let outcome: Outcome
    public let queued: Int
    public let skipped: Int
    public let held: Int
}
