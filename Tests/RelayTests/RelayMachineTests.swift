import Outbox
import Testing

@testable import Relay

/// Every state of the machine, every event in it, and the ways through them.
@Suite struct RelayMachineTests {
    private static let start = RelayCursor(snapshot: "5:5:")

    private static func page(
        rows: Int = 0, isLast: Bool = true, target: String = "9:9:", oldestRunning: UInt64 = 9
    ) -> RelayMachine.PageRead {
        RelayMachine.PageRead(
            rows: rows, lastXID: rows > 0 ? 7 : 0, lastMessageID: rows > 0 ? 70 : 0, isLast: isLast, target: target,
            oldestRunning: oldestRunning)
    }

    /// The states, by the way into them.
    enum Place: CaseIterable {
        case standby, reading, publishing, advancing, wakingDoorbell, armingDoorbell, takingTransactionID
        case lingering, gathering, settling, polling, asleep, awaitingBus, ended

        func machine() -> RelayMachine {
            var machine = RelayMachine()
            switch self {
            case .standby:
                break
            case .reading:
                _ = machine.elected(cursor: start, isListening: true)
            case .publishing:
                _ = machine.elected(cursor: start, isListening: true)
                _ = machine.pageRead(page(rows: 3))
            case .advancing:
                _ = machine.elected(cursor: start, isListening: true)
                _ = machine.pageRead(page(rows: 3))
                _ = machine.published()
            case .armingDoorbell:
                goEmpty(&machine, isListening: true)
            case .takingTransactionID:
                goEmpty(&machine, isListening: true)
                _ = machine.doorbellSet()
            case .wakingDoorbell:
                goArmed(&machine, oldestRunning: 9)
                _ = machine.listeningChanged(false)
            case .lingering:
                _ = machine.elected(cursor: start, isListening: true)
                _ = machine.pageRead(page())
            case .gathering:
                _ = machine.elected(cursor: start, isListening: true)
                _ = machine.pageRead(page(rows: RelayMachine.crowdRows))
                _ = machine.published()
                _ = machine.advanced()
            case .settling:
                goArmed(&machine, oldestRunning: 7)
            case .polling:
                goEmpty(&machine, isListening: false)
            case .asleep:
                goArmed(&machine, oldestRunning: 9)
            case .awaitingBus:
                _ = machine.elected(cursor: start, isListening: true)
                _ = machine.pageRead(page(rows: 3))
                _ = machine.busFailed()
            case .ended:
                _ = machine.elected(cursor: start, isListening: true)
                _ = machine.superseded()
            }
            return machine
        }

        private func goEmpty(_ machine: inout RelayMachine, isListening: Bool) {
            _ = machine.elected(cursor: start, isListening: isListening)
            for _ in 1..<RelayMachine.lingerReads {
                _ = machine.pageRead(page())
                _ = machine.waitEnded()
            }
            _ = machine.pageRead(page())
        }

        /// Armed with transaction 8, after one read.
        private func goArmed(_ machine: inout RelayMachine, oldestRunning: UInt64) {
            goEmpty(&machine, isListening: true)
            _ = machine.doorbellSet()
            _ = machine.transactionIDTaken(8)
            _ = machine.pageRead(page(oldestRunning: oldestRunning))
        }
    }

    enum Event: CaseIterable {
        case elected, pageRead, published, busFailed, advanced, superseded, doorbellSet, transactionIDTaken
        case waitEnded, rang, listeningLost, doorbellFoundAwake, stopped

        func send(to machine: inout RelayMachine) -> RelayMachine.Action {
            switch self {
            case .elected: machine.elected(cursor: start, isListening: true)
            case .pageRead: machine.pageRead(page(rows: 3))
            case .published: machine.published()
            case .busFailed: machine.busFailed()
            case .advanced: machine.advanced()
            case .superseded: machine.superseded()
            case .doorbellSet: machine.doorbellSet()
            case .transactionIDTaken: machine.transactionIDTaken(8)
            case .waitEnded: machine.waitEnded()
            case .rang: machine.rang()
            case .listeningLost: machine.listeningChanged(false)
            case .doorbellFoundAwake: machine.doorbellFoundAwake()
            case .stopped: machine.stopped()
            }
        }
    }

    /// The answers that are not `.none`.
    private static func expected(_ place: Place, _ event: Event) -> RelayMachine.Action {
        let done = RelayCursor(snapshot: "9:9:")
        switch (place, event) {
        case (.ended, _): return .none
        case (_, .superseded): return .stepDown(.superseded)
        case (.standby, .elected): return .read(start)
        case (.reading, .pageRead): return .publish
        case (.publishing, .published): return .advance(done)
        case (.publishing, .busFailed): return .wait(.bus)
        case (.advancing, .advanced): return .wait(.linger)
        case (.wakingDoorbell, .doorbellSet): return .read(done)
        case (.armingDoorbell, .doorbellSet): return .takeTransactionID
        case (.takingTransactionID, .transactionIDTaken): return .read(done)
        case (.awaitingBus, .waitEnded): return .read(start)
        case (.gathering, .waitEnded), (.gathering, .rang), (.gathering, .listeningLost): return .read(done)
        case (.lingering, .waitEnded), (.settling, .waitEnded), (.polling, .waitEnded), (.asleep, .waitEnded),
            (.lingering, .rang), (.settling, .rang), (.polling, .rang), (.asleep, .rang),
            (.lingering, .listeningLost), (.settling, .listeningLost), (.polling, .listeningLost):
            return .read(done)
        case (.asleep, .listeningLost): return .setDoorbell(.awake)
        case (.asleep, .doorbellFoundAwake), (.settling, .doorbellFoundAwake): return .setDoorbell(.armed)
        case (.standby, .stopped), (.lingering, .stopped), (.gathering, .stopped), (.settling, .stopped),
            (.polling, .stopped),
            (.asleep, .stopped), (.awaitingBus, .stopped):
            return .stepDown(.stopped)
        default: return .none
        }
    }

    @Test(arguments: Place.allCases, Event.allCases)
    func `every event in every state`(place: Place, event: Event) {
        var machine = place.machine()
        let action = event.send(to: &machine)
        #expect(action == Self.expected(place, event))
    }

    @Test func `a quiet relay arms, takes an id, reads once more and sleeps`() {
        var machine = Place.standby.machine()
        var actions = [machine.elected(cursor: Self.start, isListening: true)]
        for _ in 1...RelayMachine.lingerReads {
            actions.append(machine.pageRead(Self.page()))
            if actions.last == .wait(.linger) { _ = machine.waitEnded() }
        }
        #expect(actions.dropFirst().dropLast().allSatisfy { $0 == .wait(.linger) })
        #expect(actions.last == .setDoorbell(.armed))
        #expect(machine.doorbellSet() == .takeTransactionID)
        #expect(machine.transactionIDTaken(8) == .read(RelayCursor(snapshot: "9:9:")))
        let action = machine.pageRead(Self.page(target: "11:11:", oldestRunning: 8))
        #expect(action == .wait(.asleep))
    }

    @Test func `while older transactions run it reads again, at growing pauses`() {
        var machine = Place.settling.machine()
        var pauses: [Duration] = []
        for _ in 0..<8 {
            _ = machine.waitEnded()
            if case .wait(.settle(let pause)) = machine.pageRead(Self.page(oldestRunning: 7)) { pauses.append(pause) }
        }
        #expect(pauses == [4, 8, 16, 32, 64, 100, 100, 100].map { .milliseconds($0) })
        _ = machine.waitEnded()
        #expect(machine.pageRead(Self.page(oldestRunning: 8)) == .wait(.asleep))
    }

    @Test func `a ring wakes it, and after one message it sleeps again without arming`() {
        var machine = Place.asleep.machine()
        #expect(machine.rang() == .read(RelayCursor(snapshot: "9:9:")))
        #expect(machine.pageRead(Self.page(rows: 1, target: "12:12:", oldestRunning: 12)) == .publish)
        #expect(machine.published() == .advance(RelayCursor(snapshot: "12:12:")))
        #expect(machine.advanced() == .wait(.asleep))
    }

    @Test func `a ring during the work is answered by another read`() {
        var machine = Place.asleep.machine()
        _ = machine.rang()
        _ = machine.pageRead(Self.page(rows: 1))
        #expect(machine.rang() == .none)
        _ = machine.published()
        #expect(machine.advanced() == .read(RelayCursor(snapshot: "9:9:")))
        #expect(machine.pageRead(Self.page()) == .wait(.asleep))
    }

    /// Milliseconds of reads, one in each, of the transactions that writers commit in one, by whether they ring.
    /// Returns the share of the time in which they were told not to, from the hundred-and-first or `from` on.
    private static func shareAwake(
        _ machine: inout RelayMachine, isAwake: Bool, ringing: Double, silent: Double, start: Int = 0,
        from: Int = 100, until end: Int = 3_000
    ) -> Double {
        var (isAwake, due, awake) = (isAwake, 0.0, 0)
        for millisecond in 1...end {
            due += isAwake ? silent : ringing
            if isAwake, millisecond > from { awake += 1 }
            guard due >= 1 else { continue }
            var read = page(rows: 4 * Int(due))
            read.transactions = Int(due)
            read.at = .milliseconds(start + millisecond)
            due -= due.rounded(.down)
            _ = machine.rang()
            _ = machine.pageRead(read)
            _ = machine.published()
            guard case .setDoorbell(let state) = machine.advanced() else { continue }
            isAwake = state == .awake
            if machine.doorbellSet() == .takeTransactionID { _ = machine.transactionIDTaken(8) }
        }
        return Double(awake) / Double(end - from)
    }

    @Test(arguments: [(1.6, 1.6), (2.5, 9), (12, 12), (0.5, 3.3), (0.14, 2.4)])
    func `writers whom ringing holds up are told not to`(ringing: Double, silent: Double) {
        var machine = Place.asleep.machine()
        _ = machine.rang()
        #expect(Self.shareAwake(&machine, isAwake: false, ringing: ringing, silent: silent) > 0.95)
    }

    @Test(arguments: [0.05, 0.5, 1, 1.4])
    func `writers whom it does not hold up ring`(transactionsAMillisecond rate: Double) {
        var machine = Place.asleep.machine()
        _ = machine.rang()
        #expect(Self.shareAwake(&machine, isAwake: false, ringing: rate, silent: rate) < 0.1)
    }

    @Test(arguments: [0.2, 1, 1.4])
    func `tries in vain grow rare, and a message in a hundred notices none`(transactionsAMillisecond rate: Double) {
        var machine = Place.asleep.machine()
        _ = machine.rang()
        let share = Self.shareAwake(
            &machine, isAwake: false, ringing: rate, silent: rate, from: 20_000, until: 80_000)
        #expect(share > 0 && share < 0.008)
    }

    @Test func `a crowd that comes after tries in vain is found all the same`() {
        var machine = Place.asleep.machine()
        _ = machine.rang()
        _ = Self.shareAwake(&machine, isAwake: false, ringing: 0.5, silent: 0.5, until: 30_000)
        let share = Self.shareAwake(
            &machine, isAwake: false, ringing: 0.5, silent: 3.3, start: 30_000, from: 11_000, until: 30_000)
        #expect(share > 0.95)
    }

    @Test func `when the crowd has gone, those who are left ring`() {
        var machine = Place.reading.machine()
        #expect(Self.shareAwake(&machine, isAwake: true, ringing: 1, silent: 1) < 0.1)
        var deaf = RelayMachine()
        _ = deaf.elected(cursor: Self.start, isListening: false)
        #expect(Self.shareAwake(&deaf, isAwake: true, ringing: 1, silent: 1) == 1)
    }

    @Test func `a ring during a step of several pages is answered after it`() {
        var machine = Place.asleep.machine()
        _ = machine.rang()
        _ = machine.pageRead(Self.page(rows: 1_000, isLast: false))
        _ = machine.published()
        // The next page is of the same snapshot, which may be older than the ring.
        let step = RelayCursor.Step(target: "9:9:", xid: 7, messageID: 70)
        #expect(machine.advanced() == .read(RelayCursor(snapshot: "9:9:", step: step)))
        _ = machine.rang()
        #expect(machine.pageRead(Self.page()) == .read(RelayCursor(snapshot: "9:9:")))
    }

    /// The reads that follow in the same step are of the snapshot that the ring may be newer than.
    @Test func `a ring while a page is published is answered after all pages of the step`() {
        var machine = Place.asleep.machine()
        _ = machine.rang()
        _ = machine.pageRead(Self.page(rows: 1_000, isLast: false))
        #expect(machine.rang() == .none)
        _ = machine.published()
        let step = RelayCursor.Step(target: "9:9:", xid: 7, messageID: 70)
        #expect(machine.advanced() == .read(RelayCursor(snapshot: "9:9:", step: step)))
        #expect(machine.pageRead(Self.page()) == .read(RelayCursor(snapshot: "9:9:")))
    }

    @Test(arguments: [(1, RelayMachine.Action.wait(.linger)), (8, .wait(.gather)), (63, .wait(.gather)), (64, nil)])
    func `without rings it waits for a page to fill, longer where many come`(
        rows: Int, next: RelayMachine.Action?
    ) {
        var machine = Place.reading.machine()
        _ = machine.pageRead(Self.page(rows: rows))
        _ = machine.published()
        #expect(machine.advanced() == next ?? .read(RelayCursor(snapshot: "9:9:")))
        var rung = Place.reading.machine()
        _ = rung.pageRead(Self.page(rows: rows))
        _ = rung.rang()
        _ = rung.published()
        #expect(rung.advanced() == .read(RelayCursor(snapshot: "9:9:")))
    }

    @Test func `a full page is followed by the next one of the same step`() {
        var machine = Place.reading.machine()
        #expect(machine.pageRead(Self.page(rows: 1_000, isLast: false)) == .publish)
        let step = RelayCursor.Step(target: "9:9:", xid: 7, messageID: 70)
        #expect(machine.published() == .advance(RelayCursor(snapshot: "5:5:", step: step)))
        #expect(machine.advanced() == .read(RelayCursor(snapshot: "5:5:", step: step)))
        #expect(machine.pageRead(Self.page()) == .wait(.linger))
        #expect(machine.waitEnded() == .read(RelayCursor(snapshot: "9:9:")))
    }

    @Test func `while the bus is away the same page is read again and the cursor stands`() {
        var machine = Place.publishing.machine()
        #expect(machine.busFailed() == .wait(.bus))
        #expect(machine.rang() == .none)
        #expect(machine.waitEnded() == .read(Self.start))
        #expect(machine.pageRead(Self.page(rows: 2)) == .publish)
        #expect(machine.published() == .advance(RelayCursor(snapshot: "9:9:")))
    }

    @Test func `without LISTEN it polls, and with it it goes to sleep`() {
        var machine = Place.asleep.machine()
        #expect(machine.listeningChanged(false) == .setDoorbell(.awake))
        _ = machine.doorbellSet()
        for _ in 1..<RelayMachine.lingerReads {
            #expect(machine.pageRead(Self.page()) == .wait(.linger))
            _ = machine.waitEnded()
        }
        #expect(machine.pageRead(Self.page()) == .wait(.poll))
        _ = machine.waitEnded()
        #expect(machine.pageRead(Self.page()) == .wait(.poll))
        #expect(machine.listeningChanged(true) == .read(RelayCursor(snapshot: "9:9:")))
        #expect(machine.pageRead(Self.page()) == .setDoorbell(.armed))
    }

    @Test func `a stop lets the page under way end, and begins no other`() {
        var machine = Place.publishing.machine()
        #expect(machine.stopped() == .none)
        #expect(machine.published() == .advance(RelayCursor(snapshot: "9:9:")))
        #expect(machine.advanced() == .stepDown(.stopped))
        #expect(machine.rang() == .none)
        var other = Place.publishing.machine()
        _ = other.stopped()
        #expect(other.busFailed() == .stepDown(.stopped))
    }

    @Test func readsAheadTheNextPageOfTheStep() {
        var machine = RelayMachine()
        _ = machine.elected(cursor: Self.start, isListening: true)
        #expect(machine.readAhead == nil)
        _ = machine.pageRead(Self.page(rows: 3, isLast: false))
        let ahead = machine.readAhead
        #expect(ahead?.snapshot == Self.start.snapshot)
        #expect(ahead?.step == RelayCursor.Step(target: "9:9:", xid: 7, messageID: 70))
        guard case .advance(let advanced) = machine.published() else {
            Issue.record("a published page is advanced over")
            return
        }
        #expect(advanced == ahead)
        guard case .read(let cursor) = machine.advanced() else {
            Issue.record("the step goes on")
            return
        }
        #expect(cursor == ahead)
    }

    @Test func doesNotReadAheadOfANewSnapshotOrAStop() {
        var last = RelayMachine()
        _ = last.elected(cursor: Self.start, isListening: true)
        _ = last.pageRead(Self.page(rows: 3, isLast: true))
        #expect(last.readAhead == nil)
        var stopping = RelayMachine()
        _ = stopping.elected(cursor: Self.start, isListening: true)
        _ = stopping.pageRead(Self.page(rows: 3, isLast: false))
        _ = stopping.stopped()
        #expect(stopping.readAhead == nil)
    }
}
