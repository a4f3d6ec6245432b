import BelfryModel
import NIOCore
import STOMP

@testable import Gateway

/// One subscription with its real machine, ledger and memory of acknowledgements, joined as `Shard` joins them.
final class SimulatedSubscription {
    struct Settings {
        var inFlightMax = 6
        var heldMax = 4
        var rowsMax = 3
        var isTopic = false
        var lastMessageID: MessageID?
    }

    let settings: Settings
    private(set) var machine: DeliveryMachine
    private(set) var ledger = AckLedger(mode: .clientIndividual)
    private(set) var recent = RecentMessages(entriesMax: 10_000, now: .now())
    private var watch = TopicWatch(now: .now())
    /// What the client got, in order.
    private(set) var delivered: [SimulatedDatabase.Row] = []
    /// What the client has got and not acknowledged.
    private(set) var inFlight: [MessageID] = []
    /// Acknowledged and not yet committed.
    private(set) var marks: [MessageID] = []

    init(_ settings: Settings) {
        self.settings = settings
        machine = DeliveryMachine(
            source: settings.isTopic ? .topic(after: settings.lastMessageID) : .backlog, heldMax: settings.heldMax)
    }

    private var hasRoom: Bool { ledger.count < settings.inFlightMax }

    // MARK: Shard.swift

    func channelOpened() { machine.channelOpened() }

    func live(_ row: SimulatedDatabase.Row) {
        if settings.isTopic, !watch.take(row.id, xid: row.xid, createdAtMicroseconds: row.id.rawValue) { return }
        guard !isRepeat(row) else { return }
        if machine.liveReceived(Self.message(row), hasRoom: hasRoom) == .deliver { send(row) }
    }

    private func isRepeat(_ row: SimulatedDatabase.Row) -> Bool {
        if ledger.contains(row.id, createdAtMicroseconds: row.id.rawValue) { return true }
        return !settings.isTopic
            && recent.contains(row.id, xid: row.xid, createdAtMicroseconds: row.id.rawValue)
    }

    private func send(_ row: SimulatedDatabase.Row) {
        delivered.append(row)
        inFlight.append(row.id)
        ledger.append(row.id, xid: row.xid, createdAtMicroseconds: row.id.rawValue)
        machine.delivered(row.id)
    }

    // MARK: Shard+Backlog.swift

    func nextPage() -> DeliveryMachine.PageRequest? { machine.nextPage() }

    func pageRead(
        _ rows: [SimulatedDatabase.Row], under snapshot: TransactionSnapshot, for request: DeliveryMachine.PageRequest
    ) {
        guard machine.isCurrent(generation: request.generation) else { return }
        var last: MessageID?
        for row in rows {
            if machine.brings(row.id), !isRepeat(row) {
                guard hasRoom else {
                    machine.pageCutShort(last: last, snapshot: snapshot)
                    return
                }
                send(row)
            }
            last = row.id
        }
        let held = machine.pageSent(last: last, snapshot: snapshot, isLast: rows.count < settings.rowsMax)
        for (place, message) in held.enumerated() {
            let row = SimulatedDatabase.Row(id: message.id, xid: message.xid)
            guard !isRepeat(row) else { continue }
            guard hasRoom else { return machine.heldCutShort(held[place...]) }
            send(row)
        }
    }

    func pageFailed() { machine.pageFailed() }

    // MARK: Shard+Marks.swift

    func acknowledge(_ id: MessageID) {
        let entries = ledger.acknowledge(id)
        if let place = inFlight.firstIndex(of: id) { inFlight.remove(at: place) }
        for entry in entries {
            recent.insert(entry.id, xid: entry.xid, createdAtMicroseconds: entry.createdAtMicroseconds)
            if !settings.isTopic { marks.append(entry.id) }
        }
        if !entries.isEmpty, ledger.count <= settings.inFlightMax / 2 { machine.roomMade() }
    }

    func takeMarks() -> [MessageID] {
        defer { marks = [] }
        return marks
    }

    // MARK: Shard+Ticks.swift

    /// A reconcile's answer.
    func reconciled(_ rows: [SimulatedDatabase.Row], under snapshot: TransactionSnapshot) {
        if settings.isTopic {
            let fresh = rows.filter { watch.floor?.sees($0.xid) != true }.map {
                TopicWatch.Row(id: $0.id, xid: $0.xid, createdAtMicroseconds: $0.id.rawValue)
            }
            let missed = watch.listed(fresh, snapshot: snapshot, at: 0, isBusAvailable: false)
            for row in rows where missed.contains(row.id) { live(row) }
            watch.readMissed(missed)
            return
        }
        for row in rows where !recent.contains(row.id, xid: row.xid) {
            guard machine.isLive, !ledger.contains(row.id), machine.floor?.sees(row.xid) != true else { continue }
            machine.missedRowFound()
        }
    }

    /// - Parameter inFlight: marks on their way to PostgreSQL.
    func incarnationChanged(marksInFlight inFlight: [MessageID]) {
        let pending = Set(marks + inFlight)
        recent.incarnationChanged()
        recent.forgetEarlierIncarnations(keeping: pending.contains)
        watch.incarnationChanged()
        machine.incarnationChanged()
    }

    static func message(_ row: SimulatedDatabase.Row) -> Message {
        Message(
            id: row.id, xid: row.xid, createdAtMicroseconds: row.id.rawValue, expiresAtMilliseconds: nil,
            isRedelivered: false, headerLines: ByteBuffer(),
            body: ByteBuffer())
    }
}
