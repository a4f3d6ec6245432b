import BelfryModel
import Testing

@testable import Node

/// Every state of a session's row × every event.
@Suite struct SessionRowsTests {
    private static let session = SessionID(worker: 0)
    private static let left = [MessageID(rawValue: 7)]
    private static let states: [SessionRows.State?] = [nil] + SessionRows.State.allCases

    /// Rows with one session in that state.
    private static func rows(_ state: SessionRows.State?) -> SessionRows {
        var rows = SessionRows()
        guard let state else { return rows }
        _ = rows.readingBegins(session)
        switch state {
        case .requested: break
        case .requestedAndForgotten: rows.forgotten()
        case .written: _ = rows.answered([session], isWritten: true)
        case .uncertain: _ = rows.answered([session], isWritten: false)
        }
        return rows
    }

    @Test(arguments: states) func theStateIsWhatItIsCalled(_ state: SessionRows.State?) {
        #expect(Self.rows(state).state(of: Self.session) == state)
    }

    @Test(arguments: states) func aReadingWritesTheRowUnlessItIsThereOrUnderWay(_ state: SessionRows.State?) {
        var rows = Self.rows(state)
        let writes = rows.readingBegins(Self.session)
        #expect(writes == (state == nil || state == .uncertain))
        #expect(rows.state(of: Self.session) == (writes ? .requested : state))
    }

    @Test(arguments: states, [true, false]) func theStatementIsAnswered(_ state: SessionRows.State?, _ isWritten: Bool)
    {
        var rows = Self.rows(state)
        let due = rows.answered([Self.session], isWritten: isWritten)
        #expect(due.isEmpty)
        let after = rows.state(of: Self.session)
        switch state {
        case nil: #expect(after == nil)
        case .requested: #expect(after == (isWritten ? .written : .uncertain))
        case .requestedAndForgotten, .uncertain, .written: #expect(after == .uncertain)
        }
    }

    @Test(arguments: states) func othersRemoveTheRows(_ state: SessionRows.State?) {
        var rows = Self.rows(state)
        rows.forgotten()
        let after = rows.state(of: Self.session)
        switch state {
        case nil: #expect(after == nil)
        case .requested, .requestedAndForgotten: #expect(after == .requestedAndForgotten)
        case .written, .uncertain: #expect(after == .uncertain)
        }
    }

    @Test(arguments: states) func theSessionEnds(_ state: SessionRows.State?) {
        var rows = Self.rows(state)
        let end = rows.sessionEnded(Self.session, receiver: "ann", unacknowledged: Self.left)
        func whole(isRowCertain: Bool) -> SessionEnd {
            SessionEnd(
                sessionID: Self.session.description, isRowCertain: isRowCertain, receiver: "ann",
                unacknowledged: Self.left)
        }
        switch state {
        case nil: #expect(end == SessionEnd(sessionID: nil, receiver: "ann", unacknowledged: Self.left))
        case .written: #expect(end == whole(isRowCertain: true))
        case .uncertain: #expect(end == whole(isRowCertain: false))
        case .requested, .requestedAndForgotten:
            // Were it ended now, the row might be written after that.
            #expect(end == nil)
            #expect(rows.answered([Self.session], isWritten: false) == [whole(isRowCertain: false)])
            #expect(rows.answered([Self.session], isWritten: true).isEmpty, "once")
        }
        #expect(rows.state(of: Self.session) == nil)
    }

    @Test(arguments: [SessionRows.State.requested, .requestedAndForgotten])
    func itEndsBeforeItsRowIsWritten(_ state: SessionRows.State) {
        var rows = Self.rows(state)
        _ = rows.sessionEnded(Self.session, receiver: "ann", unacknowledged: [])
        let due = rows.answered([Self.session], isWritten: true)
        #expect(due.map(\.isRowCertain) == [state == .requested])
    }

    @Test func aSessionWithoutARowThatLeavesNothingWritesNothing() {
        var rows = Self.rows(nil)
        #expect(rows.sessionEnded(Self.session, receiver: "ann", unacknowledged: []) == nil)
    }

    @Test func sessionsDoNotTouchEachOther() {
        var rows = Self.rows(.written)
        let other = SessionID(worker: 0)
        _ = rows.readingBegins(other)
        #expect(rows.sessionEnded(other, receiver: "bob", unacknowledged: []) == nil)
        #expect(rows.state(of: Self.session) == .written)
        let due = rows.answered([other], isWritten: true)
        #expect(due == [SessionEnd(sessionID: other.description, receiver: "bob", unacknowledged: [])])
    }
}
