import Floors
import Foundation

/// How fast the relay claims while a transaction has been open for a million messages, so that vacuum removes nothing.
struct HeldScenario: Scenario {
    let name = "held"
    let summary =
        "claim rate under a transaction open since before a million messages, beside its own at the start"

    private static let start = "start"
    private static let bareStart = "bare relay at start"
    private static let chunk = 100_000
    private static let burst = 50_000
    private static let bareBurst = 10_000
    /// The bare relay slows down with every message, so it is given a tenth of them.
    private static let bareShare = 10

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        context.progress("held: starting PostgreSQL and Redis")
        return try await ScenarioServers.with(context) { servers in try await measure(context, servers) }
    }

    private func measure(_ context: ScenarioContext, _ servers: ScenarioServers) async throws -> ScenarioResult {
        let messages = context.isQuick ? 300_000 : 1_000_000
        let tables = try MessageTables(servers)
        try tables.emptyBelfry()
        let meter = try PublishMeter(redisURL: servers.redisURL)
        let belfry = try await runBelfry(messages, context, servers, tables, meter)
        let bareMessages = messages / Self.bareShare
        let bare = try await runBare(bareMessages, context, servers, tables, meter)
        let measure = Measure(
            "claims after \(messages) messages", unit: "/s",
            [
                Contender(Measure.belfry, belfry.atEnd), Contender(Self.start, belfry.atStart),
                Contender(Self.bareStart, bare.atStart), Contender("bare relay after \(bareMessages)", bare.atEnd),
            ],
            targets: [Target(.atLeast, 0.95, of: Self.start)])
        return ScenarioResult(
            name, [measure],
            notes: [
                "Bursts of \(Self.burst) messages (bare relay: \(Self.bareBurst)), from the first PUBLISH to the last.",
                "After a vacuum before the last bursts the outbox still held \(belfry.deadRows) dead rows.",
                "The bare relay slows down with each burst, those at its start included.",
            ])
    }

    /// What a relay reached before and after.
    private struct Rates {
        var atStart: [Double] = []
        var atEnd: [Double] = []
        var deadRows = 0
    }

    /// A transaction with an id and a snapshot of its own, open until the connection is let go.
    private func hold(_ servers: ScenarioServers, _ database: String?) throws -> BareConnection {
        let holder = try BareConnection(url: servers.postgresURL, database: database)
        try holder.execute("begin isolation level repeatable read; select pg_current_xact_id()")
        return holder
    }

    private func runBelfry(
        _ messages: Int, _ context: ScenarioContext, _ servers: ScenarioServers, _ tables: MessageTables,
        _ meter: PublishMeter
    ) async throws -> Rates {
        let relay = try await BelfryServer.start("relay", context, settings: servers.belfrySettings)
        do {
            let rates = try await heldRates(messages, context, servers, tables, meter)
            await relay.stop()
            return rates
        } catch {
            await relay.stop()
            throw error
        }
    }

    private func heldRates(
        _ messages: Int, _ context: ScenarioContext, _ servers: ScenarioServers, _ tables: MessageTables,
        _ meter: PublishMeter
    ) async throws -> Rates {
        context.progress("held: belfry, bursts at the start")
        _ = try await burst(Self.burst, tables, meter)
        let holder = try hold(servers, nil)
        var rates = Rates()
        for _ in 0..<context.rounds { rates.atStart.append(try await burst(Self.burst, tables, meter)) }
        for written in stride(from: 0, to: messages, by: Self.chunk) {
            context.progress("held: belfry, \(written) of \(messages) messages written, published and acknowledged")
            _ = try await burst(Self.chunk, tables, meter)
        }
        rates.deadRows = try await deadRowsAfterVacuum(tables)
        guard rates.deadRows >= messages else {
            throw BenchmarkError("Vacuum left \(rates.deadRows) dead rows: the open transaction did not hold it back.")
        }
        context.progress("held: belfry, bursts at the end")
        for _ in 0..<context.rounds { rates.atEnd.append(try await burst(Self.burst, tables, meter)) }
        try holder.execute("rollback")
        return rates
    }

    /// Vacuums the outbox as far as the open transaction allows, and counts what stays.
    private func deadRowsAfterVacuum(_ tables: MessageTables) async throws -> Int {
        try await onOwnThread {
            try tables.belfry.execute("vacuum belfry.outbox")
            try tables.belfry.execute("vacuum belfry.relay_cursor")
        }
        return try tables.belfry.number(
            "select n_dead_tup from pg_stat_user_tables where relid = 'belfry.outbox'::regclass")
    }

    /// Writes messages, waits until they are published, and acknowledges them. Returns the rate of publishing.
    private func burst(_ count: Int, _ tables: MessageTables, _ meter: PublishMeter) async throws -> Double {
        let before = try meter.publishes()
        async let drained = meter.drain(count, after: before)
        try await onOwnThread { try tables.fillBelfry(count) }
        let rate = try await drained
        try await onOwnThread { try tables.acknowledgeBelfry(count) }
        return rate
    }

    private func runBare(
        _ messages: Int, _ context: ScenarioContext, _ servers: ScenarioServers, _ tables: MessageTables,
        _ meter: PublishMeter
    ) async throws -> Rates {
        context.progress("held: bare relay, \(messages) messages")
        let relay = try BareRelay(
            postgresURL: servers.postgresURL, database: MessageTables.floorDatabase, redisURL: servers.redisURL)
        let holder = try hold(servers, MessageTables.floorDatabase)
        var rates = Rates()
        for _ in 0..<context.rounds { rates.atStart.append(try await bareBurst(tables, meter)) }
        for _ in stride(from: 0, to: messages, by: Self.bareBurst) { _ = try await bareBurst(tables, meter) }
        for _ in 0..<context.rounds { rates.atEnd.append(try await bareBurst(tables, meter)) }
        try holder.execute("rollback")
        try relay.stop()
        return rates
    }

    private func bareBurst(_ tables: MessageTables, _ meter: PublishMeter) async throws -> Double {
        let before = try meter.publishes()
        async let drained = meter.drain(Self.bareBurst, after: before)
        try await onOwnThread { try tables.fillFloor(Self.bareBurst) }
        return try await drained
    }
}
