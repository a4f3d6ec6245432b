import BelfryModel
import Testing

@testable import Delivery

/// The promises of delivery, for one subscription and thousands of interleavings. A failure names its seed, which
/// repeats the run.
@Suite("Backlog and live, simulated")
struct DeliverySimulationTests {
    private static let steps = 250
    private static let runsInPart: UInt64 = 25

    /// What is asked of a run. Each message at least once is asked of every run.
    private struct Rule {
        var isInOrder = true
        var isOnce = true
    }

    /// Runs the seeds from `part * runsInPart` on.
    private func check(
        part: UInt64, faults: DeliverySimulation.Faults = .none, rule: Rule = Rule(),
        settings: (UInt64) -> SimulatedClient.Settings = { _ in .init() }
    ) {
        for seed in part * Self.runsInPart..<(part + 1) * Self.runsInPart {
            var simulation = DeliverySimulation(seed: seed, settings: settings(seed), faults: faults)
            simulation.run(steps: Self.steps)
            if let fault = Self.fault(in: simulation, rule) {
                Issue.record("seed \(seed): \(fault)")
                return
            }
        }
    }

    private static func fault(in simulation: DeliverySimulation, _ rule: Rule) -> String? {
        let client = simulation.client
        if client.settings.countsUnread, client.unread != simulation.database.committed.count {
            return "\(simulation.database.committed.count) are unread, and the client knows of \(client.unread ?? -1)"
        }
        var position: [MessageID: Int] = [:]
        var seen: Set<SimulatedDatabase.Row> = []
        for (index, row) in client.delivered.enumerated() {
            if position[row.id] == nil { position[row.id] = index }
            if !seen.insert(row).inserted, rule.isOnce { return "\(row.id) came twice" }
        }
        var latest = -1
        var latestAfter: [Int] = []
        for (index, (row, followed)) in simulation.database.committed.enumerated() {
            defer { latestAfter.append(latest) }
            let place = position.removeValue(forKey: row.id)
            guard isOwed(row, index, simulation) else { continue }
            guard let place else { return "\(row.id) never came" }
            // What a client asks for by a last id may come after what has committed since with a lower one.
            if let last = simulation.client.settings.lastMessageID, row.id <= last { continue }
            if rule.isInOrder, followed > 0, latestAfter[followed - 1] > place,
                !simulation.restamped.contains(row.id)
            {
                return "\(row.id) came before one of a transaction that had committed before its own began"
            }
            if !simulation.restamped.contains(row.id) { latest = max(latest, place) }
        }
        return position.isEmpty ? nil : "\(position.keys) came and was never committed"
    }

    /// A user is owed everything; a topic's subscriber what was broadcast since, and what came after its last id.
    private static func isOwed(_ row: SimulatedDatabase.Row, _ index: Int, _ simulation: DeliverySimulation) -> Bool {
        let settings = simulation.client.settings
        guard settings.isTopic, index < simulation.past else { return true }
        return settings.lastMessageID.map { row.id > $0 } ?? false
    }

    // MARK: A user's queue

    @Test("Without a fault: each message once, in order", arguments: UInt64(0)..<10)
    func withoutFault(part: UInt64) { check(part: part) }

    @Test("A window of one, a hold of none, pages of one", arguments: UInt64(10)..<13)
    func smallestBounds(part: UInt64) {
        check(part: part) { _ in .init(inFlightMax: 1, heldMax: 0, rowsMax: 1) }
    }

    @Test("Room for everything", arguments: UInt64(13)..<16)
    func largeBounds(part: UInt64) {
        check(part: part) { _ in .init(inFlightMax: 10_000, heldMax: 10_000, rowsMax: 3) }
    }

    @Test("A relay that dies and repeats its page does not show", arguments: UInt64(16)..<20)
    func relayCrash(part: UInt64) { check(part: part, faults: .init(relayCrash: 300)) }

    @Test("The bus comes and goes: still each once, in order", arguments: UInt64(20)..<26)
    func busLoss(part: UInt64) { check(part: part, faults: .init(busLoss: 30)) }

    @Test("PostgreSQL fails pages: still each once, in order", arguments: UInt64(26)..<29)
    func pageFailure(part: UInt64) { check(part: part, faults: .init(pageFailure: 300)) }

    @Test("The bus loses messages and tells nobody: each comes by reconcile, once", arguments: UInt64(29)..<33)
    func silentLoss(part: UInt64) {
        check(part: part, faults: .init(silentLoss: 300), rule: Rule(isInOrder: false))
    }

    @Test("PostgreSQL restarts: everything is read again, nothing is sent again", arguments: UInt64(33)..<36)
    func incarnation(part: UInt64) { check(part: part, faults: .init(incarnation: 30)) }

    @Test("A row stamped anew comes anew, and disturbs no other", arguments: UInt64(36)..<40)
    func restamp(part: UInt64) { check(part: part, faults: .init(restamp: 40)) }

    @Test("Applications hold rows that are to be marked: still each once, in order", arguments: UInt64(80)..<84)
    func heldRows(part: UInt64) { check(part: part, faults: .init(busLoss: 20, incarnation: 10, heldRow: 400)) }

    @Test("What was counted and what came since is all that is unread", arguments: UInt64(84)..<94)
    func unread(part: UInt64) {
        let faults = DeliverySimulation.Faults(
            relayCrash: 100, busLoss: 20, silentLoss: 50, pageFailure: 100, incarnation: 10, heldRow: 100)
        check(part: part, faults: faults, rule: Rule(isInOrder: false)) { seed in
            .init(
                inFlightMax: Int(1 + seed % 8), heldMax: Int(seed % 5), rowsMax: Int(1 + seed % 4), countsUnread: true)
        }
    }

    @Test("All faults at once lose nothing", arguments: UInt64(40)..<50)
    func allFaults(part: UInt64) {
        let faults = DeliverySimulation.Faults(
            relayCrash: 100, busLoss: 20, silentLoss: 50, pageFailure: 100, incarnation: 10, restamp: 10, heldRow: 100)
        check(part: part, faults: faults, rule: Rule(isInOrder: false, isOnce: false)) { seed in
            .init(inFlightMax: Int(1 + seed % 8), heldMax: Int(seed % 5), rowsMax: Int(1 + seed % 4))
        }
    }

    // MARK: A topic

    private static func topic(_ seed: UInt64) -> SimulatedClient.Settings {
        var settings = SimulatedClient.Settings(isTopic: true)
        settings.lastMessageID = [nil, MessageID(rawValue: 0), MessageID(rawValue: 7)][Int(seed % 3)]
        return settings
    }

    @Test("A topic whose subscriber keeps up: each broadcast once, in order", arguments: UInt64(50)..<56)
    func topicWithoutFault(part: UInt64) {
        check(part: part) { seed in
            var settings = Self.topic(seed)
            (settings.inFlightMax, settings.heldMax) = (10_000, 10_000)
            return settings
        }
    }

    // A topic is read by id: after want of room a page may bring a message before the relay has published one with a
    // lower id, so that order is not asked for where room is small.

    @Test("A topic whose subscriber falls behind: each broadcast once", arguments: UInt64(56)..<60)
    func topicFallingBehind(part: UInt64) {
        check(part: part, rule: Rule(isInOrder: false), settings: Self.topic)
    }

    @Test("A topic with the smallest bounds: each broadcast once", arguments: UInt64(60)..<64)
    func topicSmallestBounds(part: UInt64) {
        check(part: part, rule: Rule(isInOrder: false)) { seed in
            var settings = Self.topic(seed)
            (settings.inFlightMax, settings.heldMax, settings.rowsMax) = (1 + Int(seed % 2), Int(seed % 2), 1)
            return settings
        }
    }

    @Test("A topic whose relay repeats its pages: each broadcast once", arguments: UInt64(64)..<67)
    func topicRelayCrash(part: UInt64) {
        check(part: part, faults: .init(relayCrash: 300), rule: Rule(isInOrder: false), settings: Self.topic)
    }

    @Test("A topic whose bus comes and goes: each broadcast once", arguments: UInt64(67)..<73)
    func topicBusLoss(part: UInt64) {
        check(
            part: part, faults: .init(busLoss: 30, silentLoss: 30), rule: Rule(isInOrder: false), settings: Self.topic)
    }

    @Test("A topic under all faults loses no broadcast", arguments: UInt64(73)..<80)
    func topicAllFaults(part: UInt64) {
        let faults = DeliverySimulation.Faults(
            relayCrash: 100, busLoss: 20, silentLoss: 50, pageFailure: 100, incarnation: 10)
        check(part: part, faults: faults, rule: Rule(isInOrder: false, isOnce: false), settings: Self.topic)
    }
}
