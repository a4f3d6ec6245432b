import Floors
import Foundation

/// INSERT → delivered → acknowledged → committed, for 2,000 users; beside it RabbitMQ's Web-STOMP with durable queues
/// and persistent messages.
struct DurableScenario: Scenario {
    let name = "durable"
    let summary = "INSERT to committed acknowledgement, 2,000 users, beside RabbitMQ with persistent messages"

    /// Eight connections of an application, each transaction with a batch of it.
    private static let batches = DurableSystem.Load(writers: 8, batchRows: 100)
    /// The same with a transaction a message.
    private static let singles = DurableSystem.Load(writers: 16, batchRows: 1)

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        context.progress("durable: starting PostgreSQL, Redis and belfry")
        let servers = try await ScenarioServers.start(context)
        var belfry: BelfryServer?
        var rabbit: RabbitMQ?
        var systems: [DurableSystem] = []
        let outcome: Result<ScenarioResult, any Error>
        do {
            let server = try await BelfryServer.start("serve", context, settings: servers.belfrySettings)
            belfry = server
            systems.append(try await .belfry(context, servers, server))
            if RabbitMQ.isInstalled {
                context.progress("durable: starting RabbitMQ")
                let server = try await RabbitMQ.start(context)
                rabbit = server
                systems.append(try await .rabbitMQ(server))
            }
            outcome = .success(try await measure(context, servers, systems, rabbit))
        } catch {
            outcome = .failure(error)
        }
        for system in systems { await system.swarm.stop() }
        await belfry?.stop()
        await rabbit?.stop()
        await servers.stop()
        return try outcome.get()
    }

    private func measure(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ systems: [DurableSystem], _ rabbit: RabbitMQ?
    ) async throws -> ScenarioResult {
        let seconds = context.isQuick ? 5.0 : 9.0
        for system in systems {
            context.progress("durable: warming up \(system.name)")
            _ = try await system.window(Self.batches, seconds: 2)
        }
        let shares = Shares()
        let values = try await context.interleave(
            name,
            systems.map { system in
                (
                    system.name,
                    { _ in
                        let window = try await system.window(Self.batches, seconds: seconds)
                        shares.put(system.name, window.shares)
                        return ["rate": window.rate]
                    }
                )
            })
        var singles: [String] = []
        for system in systems {
            context.progress("durable: \(system.name), a transaction a message")
            let window = try await system.window(Self.singles, seconds: context.isQuick ? 2 : 3)
            singles.append("\(system.name) \(Int(window.rate))/s")
        }
        let minute = try await sustain(context, servers, systems[0])
        try await check(servers, systems, rabbit)
        return result(
            values, minute: minute,
            notes: shares.sentences + [
                "With a transaction a message (16 writers; RabbitMQ's publishers as before): "
                    + singles.joined(separator: ", ") + "."
            ], hasPeer: rabbit != nil)
    }

    // MARK: A minute

    private struct Minute {
        var rates: [Double] = []
        var outboxRows: [Int] = []
        var shares = ""
    }

    /// Belfry alone for a minute, looked at every ten seconds.
    private func sustain(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ belfry: DurableSystem
    ) async throws -> Minute {
        let slices = context.isQuick ? 2 : 6
        context.progress("durable: belfry for \(slices * 10) s")
        let connection = try BareConnection(url: servers.postgresURL)
        var minute = Minute()
        let usage = belfry.usage()
        let writers = belfry.start(Self.batches)
        var (delivered, time) = (belfry.flow.deliveredCount, ContinuousClock.now)
        for _ in 0..<slices {
            try? await Task.sleep(for: .seconds(10))
            let (deliveredNow, now) = (belfry.flow.deliveredCount, ContinuousClock.now)
            minute.rates.append(Double(deliveredNow - delivered) / ((now - time) / .seconds(1)))
            minute.outboxRows.append((try? connection.number("select count(*) from belfry.outbox")) ?? -1)
            (delivered, time) = (deliveredNow, now)
        }
        minute.shares = belfry.usage().shares(since: usage)
        try await belfry.end(writers)
        return minute
    }

    /// What the stores say: everything was delivered, nothing is left.
    private func check(_ servers: ScenarioServers, _ systems: [DurableSystem], _ rabbit: RabbitMQ?) async throws {
        let connection = try BareConnection(url: servers.postgresURL)
        let rows = try connection.number("select count(*) from belfry.message_log where status = 'delivered'")
        let all = try connection.number("select count(*) from belfry.message_log")
        let written = systems[0].flow.writtenCount
        guard rows == written, all == written else {
            throw BenchmarkError("\(written) messages were written; \(all) are in the log, \(rows) of them delivered.")
        }
        if let left = try await rabbit?.messagesLeft(), left > 0 {
            throw BenchmarkError("RabbitMQ kept \(left) messages that were acknowledged.")
        }
    }

    // MARK: The result

    private func result(
        _ values: [String: [String: [Double]]], minute: Minute, notes: [String], hasPeer: Bool
    ) -> ScenarioResult {
        func rates(_ name: String) -> Contender { Contender(name, values[name]?["rate"] ?? []) }
        var result = ScenarioResult(
            name,
            [
                Measure(
                    "committed deliveries", unit: "/s", [rates(Measure.belfry)] + (hasPeer ? [rates("rabbitmq")] : []),
                    targets: [Target(.atLeast, 15_000), Target(.atLeast, 1, of: "rabbitmq")]),
                Measure(
                    "sustained for a minute, each ten seconds", unit: "/s", [Contender(Measure.belfry, minute.rates)],
                    targets: [Target(.atLeast, 15_000)]),
            ],
            notes: [
                "One machine carries PostgreSQL (fsync on), Redis, belfry, 8 writers with "
                    + "\(Self.batches.batchRows) messages a transaction, and 2,000 sessions that acknowledge each "
                    + "message by itself. A window ends when all its messages are committed as delivered.",
                "RabbitMQ: a durable queue a user, persistent messages, a receipt for each, of which 1,000 a publisher "
                    + "are under way. It keeps nothing of a message that was acknowledged; Belfry keeps the log row.",
                "In the minute the outbox held "
                    + minute.outboxRows.map(String.init).joined(separator: ", ")
                    + " rows after each ten seconds. Of one core: \(minute.shares).",
            ] + notes)
        if !hasPeer { result.notes.append("RabbitMQ was left out: install the package \(RabbitMQ.package).") }
        return result
    }
}

/// The last window's processor shares of each system.
private final class Shares: @unchecked Sendable {
    private var byName: [(name: String, shares: String)] = []

    /// Called by one task at a time.
    func put(_ name: String, _ shares: String) {
        byName.removeAll { $0.name == name }
        byName.append((name, shares))
    }

    var sentences: [String] { byName.map { "Of one core in \($0.name)'s last window: \($0.shares)." } }
}
