import Floors
import Foundation

/// What a doorbell costs those who commit: nothing at all, or a NOTIFY in each transaction, beside Belfry.
struct WritersScenario: Scenario {
    let name = "writers"
    let summary = "commits/s of 1, 16, 64 writers with the relay awake, beside no NOTIFY and NOTIFY in each"

    private static let none = "no NOTIFY"
    private static let always = "NOTIFY in each"
    private static let byHand = "two plain inserts"
    private static let widths = [1, 16, 64]
    private static let channel = "bench_writers"
    /// The part of a run's commits that the relay may be behind at its end and still counts as keeping up.
    private static let lagMax = 0.1

    private static let statements = [
        "plain": "insert into belfry.message_log (receiver, type, data) values ($1, 'STRING_MSG', $2)",
        "notify": """
        with written as (
            insert into belfry.message_log (receiver, type, data) values ($1, 'STRING_MSG', $2)
        )
        select pg_notify('\(channel)', '')
        """,
        "hand": """
        with written as (
            insert into by_hand.message (receiver, type, data) values ($1, 'STRING_MSG', $2) returning id, receiver
        )
        insert into by_hand.outbox (message_id, receiver) select id, receiver from written
        """,
    ]

    private static let byHandSchema = """
        drop schema if exists by_hand cascade;
        create schema by_hand;
        create table by_hand.message (
            id bigint generated always as identity primary key, receiver text not null, type text not null,
            data jsonb not null, created_at timestamptz not null default now()
        );
        create table by_hand.outbox (message_id bigint primary key, receiver text not null);
        """

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        context.progress("writers: starting PostgreSQL and Redis")
        return try await ScenarioServers.with(context) { servers in try await measure(context, servers) }
    }

    private func measure(_ context: ScenarioContext, _ servers: ScenarioServers) async throws -> ScenarioResult {
        let owner = try BareConnection(url: servers.postgresURL)
        try owner.execute(Self.byHandSchema)
        let setup = Setup(
            context: context, owner: owner, meter: try PublishMeter(redisURL: servers.redisURL),
            writers: try ConcurrentWriters(
                postgresURL: servers.postgresURL, count: Self.widths.max() ?? 1, statements: Self.statements))
        context.progress("writers: warming up")
        for statement in ["plain", "hand"] { _ = try await setup.run(statement, writers: 16) }

        var relay = RelayUse()
        var ownShare = 0.0
        let values = try await context.interleave(
            name,
            [
                (Measure.belfry, { _ in try await withRelay(setup, servers, &relay) }),
                (
                    Self.none,
                    { _ in
                        let runs = try await withoutRelay(setup, "plain")
                        ownShare = max(ownShare, runs.map(\.ownShare).max() ?? 0)
                        return Self.values(runs)
                    }
                ),
                (
                    Self.always,
                    { _ in
                        let listener = try NotificationListener(postgresURL: servers.postgresURL, channel: Self.channel)
                        defer { listener.stop() }
                        return Self.values(try await withoutRelay(setup, "notify"))
                    }
                ),
                (Self.byHand, { _ in Self.values(try await withoutRelay(setup, "hand")) }),
            ])
        try owner.execute("drop schema by_hand cascade")
        return result(values, relay, ownShare)
    }

    private func result(
        _ values: [String: [String: [Double]]], _ relay: RelayUse, _ ownShare: Double
    ) -> ScenarioResult {
        let measures = Self.widths.map { width in
            Measure(
                Self.measure(width), unit: "/s",
                [Measure.belfry, Self.none, Self.always, Self.byHand].map {
                    Contender($0, values[$0]?[Self.measure(width)] ?? [])
                },
                targets: [Target(.atLeast, 0.9, of: Self.none)])
        }
        var notes = Self.widths.map { width in
            "With \(width) writer\(width == 1 ? "" : "s") belfry relay used \(relay.share(width)) % of a core, and at "
                + "the end was \(relay.lag(width)) messages behind at most."
        }
        notes.append("The thread that drives the writers used \(Int((ownShare * 100).rounded())) % of a core at most.")
        notes.append(
            "\(Self.byHand): a log and an outbox without trigger, checks, and indexes other than their primary keys.")
        return ScenarioResult(name, measures, notes: notes)
    }

    private static func measure(_ width: Int) -> String { "commits, \(width) writer\(width == 1 ? "" : "s")" }

    private static func values(_ runs: [ConcurrentWriters.Run]) -> [String: Double] {
        Dictionary(uniqueKeysWithValues: zip(widths, runs).map { (measure($0), $1.rate) })
    }

    /// What the runs share.
    private struct Setup {
        let context: ScenarioContext
        let owner: BareConnection
        let meter: PublishMeter
        let writers: ConcurrentWriters

        func run(_ statement: String, writers count: Int) async throws -> ConcurrentWriters.Run {
            try owner.execute(
                "truncate belfry.message_log, belfry.outbox, belfry.parked, by_hand.message, by_hand.outbox")
            return try await writers.run(
                statement, writers: count, warmUp: 0.2, seconds: context.isQuick ? 0.8 : 1)
        }
    }

    private func withoutRelay(_ setup: Setup, _ statement: String) async throws -> [ConcurrentWriters.Run] {
        // As a relay leaves it that is awake: the trigger reads it and does not notify.
        try setup.owner.execute("select setval('belfry.doorbell', 2)")
        var runs: [ConcurrentWriters.Run] = []
        for width in Self.widths { runs.append(try await setup.run(statement, writers: width)) }
        return runs
    }

    private func withRelay(_ setup: Setup, _ servers: ScenarioServers, _ use: inout RelayUse) async throws -> [String:
        Double]
    {
        try setup.owner.execute("truncate belfry.message_log, belfry.outbox, belfry.parked")
        let relay = try await BelfryServer.start("relay", setup.context, settings: servers.belfrySettings)
        do {
            var runs: [ConcurrentWriters.Run] = []
            for width in Self.widths {
                let before = (publishes: try setup.meter.publishes(), cpu: relay.usage?.cpuSeconds ?? 0)
                let time = BareClock.nanoseconds
                let run = try await setup.run("plain", writers: width)
                let behind = run.commits - (try setup.meter.publishes() - before.publishes)
                let seconds = Double(BareClock.nanoseconds - time) / 1e9
                use.note(width, behind: behind, share: ((relay.usage?.cpuSeconds ?? 0) - before.cpu) / seconds)
                try await setup.meter.wait(for: before.publishes + run.commits)
                guard Double(behind) <= Self.lagMax * Double(run.commits) else {
                    throw BenchmarkError("The relay did not keep up: \(behind) of \(run.commits) messages were left.")
                }
                runs.append(run)
            }
            await relay.stop()
            return Self.values(runs)
        } catch {
            await relay.stop()
            throw error
        }
    }
}

/// What the relay needed while the writers wrote, by their number.
private struct RelayUse {
    private var shares: [Int: [Double]] = [:]
    private var lags: [Int: Int] = [:]

    mutating func note(_ width: Int, behind: Int, share: Double) {
        shares[width, default: []].append(share)
        lags[width] = max(lags[width] ?? 0, behind)
    }

    /// Per cent of a core, the median of the runs.
    func share(_ width: Int) -> Int { Int(((Statistics.median(shares[width] ?? []) ?? 0) * 100).rounded()) }

    /// Messages behind at the end, the most of the runs.
    func lag(_ width: Int) -> Int { lags[width] ?? 0 }
}
