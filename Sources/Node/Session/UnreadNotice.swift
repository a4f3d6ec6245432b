import BelfryModel
import Commands
import Outbox
import Postgres
import STOMP

/// What a subscription with `unread:true` is told before its backlog: how much is unread. It is no message of the log.
/// Lives on the session's event loop.
final class UnreadNotice {
    /// Counts that PostgreSQL refuses before the backlog comes without.
    private static let triesMax = 3

    private let subscription: Subscription
    private let session: SessionID
    private var sentCount = 0
    private var triesLeft = triesMax
    /// What the count that was told last has seen.
    private var counted: TransactionSnapshot?

    init(_ subscription: Subscription, of session: SessionID) {
        self.subscription = subscription
        self.session = session
    }

    /// Whether the count that was told last has seen what this transaction wrote.
    func hasCounted(_ xid: UInt64) -> Bool { counted?.sees(xid) ?? false }

    /// - Parameter counts: `nil` where histories are not kept.
    func frame(_ counts: InboxStore.Counts?, under snapshot: TransactionSnapshot) -> Frame {
        triesLeft = Self.triesMax
        guard let counts else { return refusal(CommandRefusal(.invalid, "Histories are not kept here.")) }
        counted = snapshot
        return frame(
            "{\"unviewed\":\(counts.unviewed),\"unseen\":\(counts.unseen),\"changes\":\(counts.changes)}")
    }

    /// A count was not to be had, by the statement's own fault.
    ///
    /// - Returns: what the client is told when it is given up; `nil` while it is to be tried again.
    func countFailed(_ error: PostgresError) -> Frame? {
        triesLeft = error.code == .timeout ? 0 : triesLeft - 1
        guard triesLeft <= 0 else { return nil }
        triesLeft = Self.triesMax
        return refusal(CommandRefusal(.unavailable, "How much is unread can't be told now; ask by /app/unread."))
    }

    private func refusal(_ refusal: CommandRefusal) -> Frame {
        counted = nil
        var frame = frame(refusal.json)
        frame.headers.append("error", refusal.code.name)
        return frame
    }

    private func frame(_ json: String) -> Frame {
        sentCount += 1
        var frame = subscription.ownMessage("unread-\(session)-\(subscription.number)-\(sentCount)", json: json)
        frame.headers.append("unread", "true")
        return frame
    }
}

extension PostgresError {
    /// Whether it may be this statement that PostgreSQL can't carry out now, and another could: not a connection that
    /// is lost, nor a server that stops, starts, or is a standby.
    var isOfItsStatement: Bool {
        guard code != .timeout else { return true }
        guard code == .server, let sqlState, sqlState != "25006" else { return false }
        return !["08", "57P"].contains { sqlState.hasPrefix($0) }
    }
}
