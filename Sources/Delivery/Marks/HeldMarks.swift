import BelfryModel
import DequeModule

/// Marks that a statement left out because another transaction holds their rows: each once, until it is committed or
/// given up, however often it is made and tried. Tried again by turns, some at a time, so that many of them delay
/// nothing else. Pure.
struct HeldMarks {
    private struct Key: Hashable {
        enum Kind { case delivered, refused, givenBack }
        let kind: Kind
        let id: MessageID
    }

    private var marks: [Key: DeliveryMark] = [:]
    /// In the order in which they are tried again; those that were committed meanwhile are still in there.
    private var turns: Deque<Key> = []
    /// Marks held of each user.
    private var ofUser: [String: Int] = [:]
    /// A session of each user, ended, whose row says that the user may have seen what is held; it goes when nothing of
    /// the user's is held any more. One row that is there is enough, however many sessions end.
    private var sessions: [String: SessionEnd] = [:]
    private var sessionsDue: [SessionEnd] = []
    /// How many marks have left.
    private(set) var removals = 0

    var isEmpty: Bool { marks.isEmpty && sessions.isEmpty && sessionsDue.isEmpty }
    var hasMarks: Bool { !marks.isEmpty }
    /// Whether there is something to try again.
    var hasTurns: Bool { !marks.isEmpty || !sessionsDue.isEmpty }

    func holds(user: String) -> Bool { ofUser[user] != nil }

    /// Whether an acknowledgement or a refusal of the message is held, or that it was given back.
    func holds(_ id: MessageID) -> Bool { isAnswered(id, createdAtMicroseconds: nil) || isGivenBack(id) }

    /// Whether a client has acknowledged or refused that message.
    ///
    /// - Parameter createdAtMicroseconds: when it was written; `nil` where that is not known.
    func isAnswered(_ id: MessageID, createdAtMicroseconds: Int64?) -> Bool {
        guard !marks.isEmpty else { return false }
        for kind in [Key.Kind.delivered, .refused] {
            guard let mark = marks[Key(kind: kind, id: id)] else { continue }
            if createdAtMicroseconds.map({ $0 == mark.createdAtMicroseconds }) ?? true { return true }
        }
        return false
    }

    func isGivenBack(_ id: MessageID) -> Bool { !marks.isEmpty && marks[Key(kind: .givenBack, id: id)] != nil }

    /// Messages whose acknowledgement or refusal is held.
    var answeredIDs: [MessageID] { marks.keys.filter { $0.kind != .givenBack }.map(\.id) }
    /// Messages that were given back.
    var givenBackIDs: [MessageID] { marks.keys.filter { $0.kind == .givenBack }.map(\.id) }

    // MARK: Changes

    mutating func insert(delivered mark: DeliveryMark) { insert(mark, .delivered) }
    mutating func insert(refused mark: DeliveryMark) { insert(mark, .refused) }

    mutating func insert(givenBack id: MessageID, of receiver: String) {
        insert(DeliveryMark(id: id, receiver: receiver, xid: 0, createdAtMicroseconds: 0), .givenBack)
    }

    /// Whether the row of a session that has ended is to stay, for the marks of its user that are here.
    mutating func keepsRow(of end: SessionEnd) -> Bool {
        guard holds(user: end.receiver) else { return false }
        let row = end.withoutMessages
        guard let kept = sessions[end.receiver], kept.sessionID != end.sessionID else {
            sessions[end.receiver] = row
            return true
        }
        guard !kept.isRowCertain, end.isRowCertain else { return false }
        sessionsDue.append(kept)
        sessions[end.receiver] = row
        return true
    }

    /// A session has ended whose row stayed: a message that it left is held, or PostgreSQL would not remove it.
    mutating func insert(rowOf end: SessionEnd) {
        if !keepsRow(of: end) { sessionsDue.append(end.withoutMessages) }
    }

    mutating func remove(delivered id: MessageID) { remove(Key(kind: .delivered, id: id)) }
    mutating func remove(refused id: MessageID) { remove(Key(kind: .refused, id: id)) }
    mutating func remove(givenBack id: MessageID) { remove(Key(kind: .givenBack, id: id)) }

    /// Those whose turn it is.
    mutating func takeTurn(atMost count: Int) -> (
        delivered: [DeliveryMark], refused: [DeliveryMark], ended: [SessionEnd]
    ) {
        var (delivered, refused): ([DeliveryMark], [DeliveryMark]) = ([], [])
        var ended = sessionsDue
        sessionsDue = []
        for _ in 0..<min(count, turns.count) {
            guard let key = turns.popFirst(), let mark = marks[key] else { continue }
            turns.append(key)
            switch key.kind {
            case .delivered: delivered.append(mark)
            case .refused: refused.append(mark)
            case .givenBack:
                ended.append(SessionEnd(sessionID: nil, receiver: mark.receiver, unacknowledged: [key.id]))
            }
        }
        return (delivered, refused, ended)
    }

    private mutating func insert(_ mark: DeliveryMark, _ kind: Key.Kind) {
        let key = Key(kind: kind, id: mark.id)
        guard marks.updateValue(mark, forKey: key) == nil else { return }
        turns.append(key)
        ofUser[mark.receiver, default: 0] += 1
    }

    private mutating func remove(_ key: Key) {
        guard !marks.isEmpty, let mark = marks.removeValue(forKey: key) else { return }
        removals += 1
        let left = ofUser[mark.receiver, default: 1] - 1
        ofUser[mark.receiver] = left > 0 ? left : nil
        if marks.isEmpty { turns = [] }
        guard left == 0, let kept = sessions.removeValue(forKey: mark.receiver) else { return }
        sessionsDue.append(kept)
    }
}

extension SessionEnd {
    /// The end of the row alone: what was left is dealt with otherwise.
    fileprivate var withoutMessages: SessionEnd {
        var row = self
        row.unacknowledged = []
        return row
    }
}
