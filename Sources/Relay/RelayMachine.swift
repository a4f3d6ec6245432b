import Outbox

/// The relay's loop as a pure state machine: read, publish, advance; and when nothing comes, how to go to sleep without
/// losing a wake-up. Whoever runs it does what it says and tells it what happened, one thing at a time.
///
/// Going to sleep: arm the doorbell, take a transaction id N, then read until every transaction below N has ended. A
/// writer has its id before it looks at the doorbell, so one that found it awake has an id below N and is seen by then;
/// every other one rings.
struct RelayMachine: ~Copyable {
    /// What is to be done next. Each but `.none` and `.stepDown` is answered by one event.
    enum Action: Hashable {
        /// Read the rows after the cursor: `pageRead`.
        case read(RelayCursor)
        /// Publish the page that was read last: `published` or `busFailed`.
        case publish
        /// Store the cursor: `advanced` or `superseded`.
        case advance(RelayCursor)
        /// Set the doorbell: `doorbellSet` or `superseded`.
        case setDoorbell(DoorbellState)
        /// Take a transaction id: `transactionIDTaken`.
        case takeTransactionID
        /// Wait, and report whatever comes: `waitEnded`, `rang`, `listeningChanged`, `doorbellFoundAwake`, `stopped`.
        case wait(Pause)
        /// The term is over.
        case stepDown(StepDownReason)
        /// Go on with what is under way.
        case none
    }

    /// How long to wait, at most.
    enum Pause: Hashable {
        /// A moment, in the hope of more.
        case linger
        /// A longer one, in the certainty of more.
        case gather
        /// Until older transactions may have ended.
        case settle(Duration)
        /// Until the next look when no ring can be heard.
        case poll
        /// Until a ring; asleep.
        case asleep
        /// Until the bus may be back.
        case bus
    }

    /// What the machine needs to know of a page.
    struct PageRead: Hashable {
        /// Rows passed over, those not to be published now included.
        var rows: Int
        /// The last of them.
        var lastXID: UInt64
        var lastMessageID: Int64
        /// No more rows of this step follow.
        var isLast: Bool
        var target: String
        var oldestRunning: UInt64
        /// Transactions that wrote the rows.
        var transactions = 0
        /// When it was read, by a clock that only runs forward.
        var at: Duration = .zero
    }

    /// Rows of a page after which a relay that writers do not ring reads on at once. With fewer it waits for more, as
    /// reading three rows costs PostgreSQL nearly what reading thirty does, and the time is the writers'.
    static let fullRows = 64
    /// Rows of a page, read after a moment's wait, that tell of a crowd, for which it waits longer.
    static let crowdRows = 8
    /// Empty reads in a row, one millisecond apart, before the doorbell is armed.
    static let lingerReads = 5
    /// Transactions a second from which writers are told not to ring: NOTIFY makes them commit one after the other.
    static let busyRate = 1_500.0
    /// Below so many they ring again, as a ring reaches the relay sooner than its next look does.
    static let quietRate = 1_200.0
    /// From so many on the relay tries now and then whether there would be more if they did not ring: how many
    /// NOTIFY lets through depends on the disk, and may be far below `busyRate`.
    static let probeRate = 100.0
    /// Traffic between two tries at first. After each in vain it is four times as much, since what comes during one
    /// waits up to a millisecond longer, and of a hundred messages not one shall notice.
    static let probeInterval: Duration = .seconds(1)
    static let probeIntervalMax: Duration = .seconds(10)
    /// How many times the rate must rise for that to be so.
    static let probeGain = 1.3
    /// The time over which the rate is taken.
    static let rateWindow: Duration = .milliseconds(50)
    /// Pauses while older transactions are still running: at first a commit is likely near, later a long one holds on.
    static let settlePause: Duration = .milliseconds(2)
    static let settlePauseMax: Duration = .milliseconds(100)

    private enum State {
        case standby
        case reading
        case publishing(PageRead)
        case advancing(PageRead, RelayCursor)
        case settingDoorbell(DoorbellState)
        case takingTransactionID
        case waiting(Pause)
        case ended
    }

    /// What writers do, as far as this relay knows.
    private enum Mode {
        /// They do not ring; so many reads in a row were empty.
        case awake(emptyReads: Int)
        case armed(Armed)
    }

    private struct Armed {
        /// Transactions below it may have found the doorbell awake.
        var transactionID: UInt64
        /// They have all ended, and were read: whoever comes now rings.
        var isSettled = false
        var pause = RelayMachine.settlePause
    }

    /// How many transactions come, and what that says to writers.
    private struct Traffic {
        /// Writers that ring had better not.
        private(set) var isBusy = false
        /// Writers that do not ring had better.
        private(set) var isQuiet = false
        private var quietBelow = RelayMachine.quietRate
        private var probe = Probe()
        private var windowStart: Duration?
        private var transactions = 0

        /// The tries without rings.
        private struct Probe {
            var isUnderWay = false
            /// Time in which messages came since the last one; the first is due at once.
            var trafficTime = RelayMachine.probeInterval
            var pause = RelayMachine.probeInterval

            var isDue: Bool { trafficTime >= pause }

            mutating func begin() {
                trafficTime = .zero
                isUnderWay = true
            }

            mutating func end(inVain: Bool) {
                guard isUnderWay else { return }
                isUnderWay = false
                pause = inVain ? min(pause * 4, RelayMachine.probeIntervalMax) : RelayMachine.probeInterval
            }
        }

        mutating func read(transactions count: Int, at now: Duration, areRinging: Bool) {
            let start = windowStart ?? now
            windowStart = start
            transactions += count
            let passed = now - start
            guard passed >= RelayMachine.rateWindow else { return }
            judge(rate: Double(transactions) / (passed / .seconds(1)), over: passed, areRinging: areRinging)
            windowStart = now
            transactions = 0
        }

        private mutating func judge(rate: Double, over passed: Duration, areRinging: Bool) {
            guard areRinging else {
                isQuiet = rate < quietBelow
                return probe.end(inVain: isQuiet)
            }
            // One that ended without a full window found nothing.
            probe.end(inVain: true)
            isBusy = rate >= RelayMachine.busyRate
            quietBelow = RelayMachine.quietRate
            guard !isBusy, rate >= RelayMachine.probeRate else { return }
            probe.trafficTime += passed
            guard probe.isDue else { return }
            isBusy = true
            probe.begin()
            quietBelow = rate * RelayMachine.probeGain
        }

        /// Writers were told something else: what came before says nothing of what comes.
        mutating func restart() {
            isBusy = false
            isQuiet = false
            windowStart = nil
            transactions = 0
        }
    }

    private var state = State.standby
    private var mode = Mode.awake(emptyReads: 0)
    private var traffic = Traffic()
    private var cursor = RelayCursor(snapshot: "")
    /// A ring came that the read under way, if any, may not cover.
    private var hasRung = false
    private var isListening = false
    private var isStopping = false

    // MARK: events

    /// This relay has become the leader; the doorbell is set to awake.
    mutating func elected(cursor: RelayCursor, isListening: Bool) -> Action {
        guard case .standby = state else { return .none }
        self.cursor = cursor
        self.isListening = isListening
        return read()
    }

    mutating func pageRead(_ page: PageRead) -> Action {
        guard case .reading = state else { return .none }
        guard page.rows > 0 else {
            // Nothing was published, so nothing need be stored: who starts from the old cursor finds nothing either.
            cursor = RelayCursor(snapshot: page.target)
            return pageDone(page)
        }
        state = .publishing(page)
        return .publish
    }

    mutating func published() -> Action {
        guard case .publishing(let page) = state else { return .none }
        let next = self.next(after: page)
        state = .advancing(page, next)
        return .advance(next)
    }

    /// Where the next page of the same step begins, which may be read while this one is published: the step's target is
    /// fixed. `nil` when no page follows, or none is being published.
    var readAhead: RelayCursor? {
        guard case .publishing(let page) = state, !page.isLast, !isStopping else { return nil }
        return next(after: page)
    }

    private func next(after page: PageRead) -> RelayCursor {
        guard !page.isLast else { return RelayCursor(snapshot: page.target) }
        return RelayCursor(
            snapshot: cursor.snapshot,
            step: RelayCursor.Step(target: page.target, xid: page.lastXID, messageID: page.lastMessageID))
    }

    /// The page is read again after a pause: what was acknowledged meanwhile must not be published.
    mutating func busFailed() -> Action {
        guard case .publishing = state else { return .none }
        return isStopping ? end(.stopped) : wait(.bus)
    }

    mutating func advanced() -> Action {
        guard case .advancing(let page, let next) = state else { return .none }
        cursor = next
        return pageDone(page)
    }

    /// Another relay leads.
    mutating func superseded() -> Action {
        switch state {
        case .ended: .none
        case .standby, .reading, .publishing, .advancing, .settingDoorbell, .takingTransactionID, .waiting:
            end(.superseded)
        }
    }

    mutating func doorbellSet() -> Action {
        guard case .settingDoorbell(let doorbell) = state else { return .none }
        traffic.restart()
        switch doorbell {
        case .awake:
            mode = .awake(emptyReads: 0)
            return read()
        case .armed:
            state = .takingTransactionID
            return .takeTransactionID
        }
    }

    mutating func transactionIDTaken(_ transactionID: UInt64) -> Action {
        guard case .takingTransactionID = state else { return .none }
        mode = .armed(Armed(transactionID: transactionID))
        return read()
    }

    mutating func waitEnded() -> Action {
        guard case .waiting = state else { return .none }
        return read()
    }

    /// A writer rang, or rows were stamped anew by this process.
    mutating func rang() -> Action {
        switch state {
        case .waiting(.linger), .waiting(.gather), .waiting(.settle), .waiting(.poll), .waiting(.asleep):
            return read()
        case .reading, .publishing, .advancing, .settingDoorbell, .takingTransactionID, .waiting(.bus):
            hasRung = true
            return .none
        case .standby, .ended:
            return .none
        }
    }

    /// LISTEN was lost, or works again; rings in between were not heard.
    mutating func listeningChanged(_ isListening: Bool) -> Action {
        self.isListening = isListening
        if case .waiting(let pause) = state, pause == .asleep, !isListening { return setDoorbell(.awake) }
        return rang()
    }

    /// Somebody set the doorbell to awake while this relay relies on being rung: a superseded leader's last word.
    mutating func doorbellFoundAwake() -> Action {
        guard case .waiting(let pause) = state, case .armed = mode else { return .none }
        switch pause {
        case .asleep, .settle: return setDoorbell(.armed)
        case .linger, .gather, .poll, .bus: return .none
        }
    }

    /// Nothing new is begun; a page that is under way is brought to its end.
    mutating func stopped() -> Action {
        isStopping = true
        switch state {
        case .waiting, .standby: return end(.stopped)
        case .reading, .publishing, .advancing, .settingDoorbell, .takingTransactionID, .ended: return .none
        }
    }

    // MARK: transitions

    private mutating func read() -> Action {
        if isStopping { return end(.stopped) }
        // Only a read under a new snapshot covers what was committed before the ring.
        if cursor.step == nil { hasRung = false }
        state = .reading
        return .read(cursor)
    }

    private mutating func wait(_ pause: Pause) -> Action {
        state = .waiting(pause)
        return .wait(pause)
    }

    private mutating func setDoorbell(_ doorbell: DoorbellState) -> Action {
        state = .settingDoorbell(doorbell)
        return .setDoorbell(doorbell)
    }

    private mutating func end(_ reason: StepDownReason) -> Action {
        state = .ended
        return .stepDown(reason)
    }

    /// A page was dealt with: go on, or find the right kind of pause.
    private mutating func pageDone(_ page: PageRead) -> Action {
        if isStopping { return end(.stopped) }
        let areRinging = if case .armed = mode { true } else { false }
        traffic.read(transactions: page.transactions, at: page.at, areRinging: areRinging)
        switch mode {
        case .awake(let emptyReads):
            return pageDoneAwake(page, emptyReads: emptyReads)
        case .armed(var armed):
            if page.isLast, page.oldestRunning >= armed.transactionID { armed.isSettled = true }
            return pageDoneArmed(page, armed)
        }
    }

    private mutating func pageDoneAwake(_ page: PageRead, emptyReads: Int) -> Action {
        if page.rows > 0 || !page.isLast {
            if traffic.isQuiet, page.isLast, isListening { return setDoorbell(.armed) }
            mode = .awake(emptyReads: 0)
            guard page.isLast, page.rows < Self.fullRows, !hasRung else { return read() }
            return wait(page.rows < Self.crowdRows ? .linger : .gather)
        }
        if emptyReads + 1 < Self.lingerReads {
            mode = .awake(emptyReads: emptyReads + 1)
            return hasRung ? read() : wait(.linger)
        }
        return isListening ? setDoorbell(.armed) : wait(.poll)
    }

    private mutating func pageDoneArmed(_ page: PageRead, _ armed: Armed) -> Action {
        var armed = armed
        if !isListening || traffic.isBusy { return setDoorbell(.awake) }
        if hasRung || !page.isLast {
            mode = .armed(armed)
            return read()
        }
        if armed.isSettled {
            mode = .armed(armed)
            return wait(.asleep)
        }
        let pause = armed.pause
        armed.pause = min(pause * 2, Self.settlePauseMax)
        mode = .armed(armed)
        return wait(.settle(pause))
    }
}
