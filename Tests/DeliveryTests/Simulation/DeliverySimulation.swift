import BelfryModel
import TestBasics

@testable import Delivery

/// A run of database, relay, bus and one subscription, whose steps a seeded generator interleaves. Whatever is on its
/// way (a message on the bus, a page, a reconcile, delivery marks) arrives in a later step.
struct DeliverySimulation {
    /// What may go wrong, each with its chance per step in a thousand.
    struct Faults {
        /// The relay dies after publishing and before writing that down; the next one repeats the page.
        var relayCrash = 0
        /// The node's connection to the bus is lost with what was on it, and comes back.
        var busLoss = 0
        /// A message is lost, and nobody is told.
        var silentLoss = 0
        /// PostgreSQL fails a page.
        var pageFailure = 0
        /// PostgreSQL restarts: everything is read again.
        var incarnation = 0
        /// A row is stamped anew.
        var restamp = 0
        /// An application holds a row that is to be marked.
        var heldRow = 0

        static let none = Faults()
    }

    private enum BusEvent {
        case subscribed
        case message(SimulatedDatabase.Row)
    }

    let faults: Faults
    let client: SimulatedClient
    private(set) var database = SimulatedDatabase()
    private(set) var restamped: Set<MessageID> = []
    /// Rows committed when a topic was subscribed to: they are its past.
    private(set) var past = 0
    private var relay: SimulatedRelay
    private var generator: SeededGenerator
    private var bus: [BusEvent] = []
    private var isSubscribed = false
    private var isBusLost = false
    private var request: PageRequest?
    private var answer: SimulatedClient.Page?
    private var reconcile: (rows: [SimulatedDatabase.Row], snapshot: TransactionSnapshot)?
    /// The statement that marks messages; and once it has committed, whose answer is on its way, what it left out.
    private var marks: [DeliveryMark]?
    private var heldMarks: [MessageID]?

    init(seed: UInt64, settings: SimulatedClient.Settings = .init(), faults: Faults = .none) {
        self.faults = faults
        generator = SeededGenerator(seed: seed)
        relay = SimulatedRelay(database)
        client = SimulatedClient(settings)
    }

    /// Writes and delivers for `steps` steps, then ends what is open and lets everything arrive.
    mutating func run(steps: Int) {
        let subscribesAt = Int.random(in: 0...(steps / 3), using: &generator)
        for step in 0..<steps {
            if step == subscribesAt { subscribe() }
            write()
            deliver()
            fail()
        }
        while !database.running.isEmpty { database.end(0, commits: true) }
        for _ in 0..<steps * 20 where !isQuiet { settle() }
    }

    private mutating func chance(_ perThousand: Int) -> Bool {
        perThousand > 0 && Int.random(in: 0..<1_000, using: &generator) < perThousand
    }

    // MARK: Steps

    private mutating func subscribe() {
        isSubscribed = true
        past = database.committed.count
        bus.append(.subscribed)
    }

    /// One step of one application.
    private mutating func write() {
        switch Int.random(in: 0..<10, using: &generator) {
        case 0...1 where database.running.count < 5:
            database.begin()
        case 2...4 where !database.running.isEmpty:
            database.insert(by: Int.random(in: 0..<database.running.count, using: &generator))
        case 5...6 where !database.running.isEmpty:
            let index = Int.random(in: 0..<database.running.count, using: &generator)
            database.end(index, commits: Int.random(in: 0..<8, using: &generator) > 0)
        case 7:
            // A short transaction: begun, written and committed before anybody else's next step.
            database.begin()
            database.insert(by: database.running.count - 1)
            database.end(database.running.count - 1, commits: true)
        default:
            break
        }
    }

    /// One step of one of those who deliver.
    private mutating func deliver() {
        switch Int.random(in: 0..<12, using: &generator) {
        case 0...1: publish(storesPosition: !chance(faults.relayCrash))
        case 2...4: receive()
        case 5...7: read()
        case 8...9: acknowledge()
        case 10: mark()
        default: reconcileStep()
        }
    }

    private mutating func publish(storesPosition: Bool) {
        let rows = relay.step(database, storesPosition: storesPosition)
        guard isSubscribed, !isBusLost else { return }
        for row in rows where !chance(faults.silentLoss) { bus.append(.message(row)) }
    }

    private mutating func receive() {
        guard !bus.isEmpty else { return }
        switch bus.removeFirst() {
        case .subscribed: client.channelOpened()
        case .message(let row): client.live(row)
        }
    }

    /// A page goes from wanted to asked for, to read by PostgreSQL, to arrived.
    private mutating func read() {
        guard let request else {
            request = client.nextPage()
            return
        }
        if let answer {
            (self.request, self.answer) = (nil, nil)
            if chance(faults.pageFailure) {
                client.pageFailed()
            } else {
                client.pageRead(answer, for: request)
            }
        } else {
            let rowsMax = client.settings.rowsMax
            answer = SimulatedClient.Page(
                rows: database.page(request, rowsMax: rowsMax), snapshot: database.snapshot, rowsMax: rowsMax,
                unread: request.wantsCount ? database.committed.count : nil)
        }
    }

    private mutating func acknowledge() {
        guard let id = client.inFlight.randomElement(using: &generator) else { return }
        client.acknowledge(id)
    }

    /// Marks go from acknowledged to a statement, to committed, to known as committed.
    private mutating func mark() {
        if let held = heldMarks {
            heldMarks = nil
            client.marksCommitted(leaving: held)
        } else if let marks {
            self.marks = nil
            var held: [MessageID] = []
            for mark in marks where chance(faults.heldRow) { held.append(mark.id) }
            database.markDelivered(marks.map(\.id).filter { !held.contains($0) })
            heldMarks = held
        } else {
            marks = client.nextMarks()
        }
    }

    private mutating func reconcileStep() {
        if let (rows, snapshot) = reconcile {
            reconcile = nil
            client.reconciled(rows, under: snapshot)
        } else if client.isLive {
            // Of a topic, what was there at the first look is the baseline.
            let isTopic = client.settings.isTopic
            let rows = isTopic ? database.committed[past...].map(\.row) : database.outbox
            reconcile = (rows, database.snapshot)
        }
    }

    private mutating func fail() {
        if isSubscribed, !isBusLost, chance(faults.busLoss) {
            isBusLost = true
            bus = []
        } else if isBusLost, chance(200) {
            isBusLost = false
            bus = [.subscribed]
        }
        if chance(faults.incarnation) {
            // What was asked before is told by the incarnation of its answer.
            reconcile = nil
            client.incarnationChanged()
        }
        if chance(faults.restamp), let place = database.outbox.indices.randomElement(using: &generator) {
            restamped.insert(database.restamp(at: place))
        }
    }

    // MARK: The end

    /// Everything has arrived and is acknowledged.
    private var isQuiet: Bool {
        guard !isBusLost, bus.isEmpty, request == nil, client.inFlight.isEmpty, client.isLive else {
            return false
        }
        return client.settings.isTopic ? settled > 40 : database.outbox.isEmpty
    }

    private var settled = 0

    /// Nothing fails any more.
    private mutating func settle() {
        if isBusLost {
            isBusLost = false
            bus = [.subscribed]
        }
        settled = bus.isEmpty && client.inFlight.isEmpty ? settled + 1 : 0
        publish(storesPosition: true)
        receive()
        read()
        acknowledge()
        if settled % 4 == 3 { reconcileStep() }
        mark()
    }
}
