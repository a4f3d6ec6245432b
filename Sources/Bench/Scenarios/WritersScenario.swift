import Floors
import Foundation

/// What a doorbell costs those who commit: nothing at all, or a NOTIFY in each transaction, beside Belfry.
public struct WritersScenario: Scenario {
    public let name = "writers"
    public let summary = "commits/s of 1, 16, 64 writers with the relay awake, beside no NOTIFY and NOTIFY in each"

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

    public init() {}

    public func run(_ bench: Bench) async throws -> ScenarioResult {
        bench.progress("writers: starting PostgreSQL and Redis")
        return try await BenchServers.with(bench) { servers in try await measure(bench, servers) }
    }

    private func measure(_ bench: Bench, _ servers: BenchServers) async throws -> ScenarioResult {
        let owner = try BareConnection(url: servers.postgresURL)
        try owner.execute(Self.byHandSchema)
        let bed = Bed(
            bench: bench, owner: owner, meter: try DatabaseDrainMeter(redisURL: servers.redisURL),
            writers: try DatabaseWriters(
                postgresURL: servers.postgresURL, count: Self.widths.max() ?? 1, statements: Self.statements))
        bench.progress("writers: warming up")
        for statement in ["plain", "hand"] { _ = try await bed.run(statement, writers: 16) }

        var relay = RelayUse()
        var ownShare = 0.0
        let values = try await bench.interleave(
            name,
            [
                (Measure.belfry, { _ in try await withRelay(bed, servers, &relay) }),
                (
                    Self.none,
                    { _ in
                        let runs = try await withoutRelay(bed, "plain")
                        ownShare = max(ownShare, runs.map(\.ownShare).max() ?? 0)
                        return Self.values(runs)
                    }
                ),
                (
                    Self.always,
                    { _ in
                        let listener = try DatabaseListener(postgresURL: servers.postgresURL, channel: Self.channel)
                        defer { listener.stop() }
                        return Self.values(try await withoutRelay(bed, "notify"))
                    }
                ),
                (Self.byHand, { _ in Self.values(try await withoutRelay(bed, "hand")) }),
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

    private static func values(_ runs: [DatabaseWriters.Run]) -> [String: Double] {
        Dictionary(uniqueKeysWithValues: zip(widths, runs).map { (measure($0), $1.rate) })
    }

    /// What the runs share.
    private struct Bed {
        let bench: Bench
        let owner: BareConnection
        let meter: DatabaseDrainMeter
        let writers: DatabaseWriters

        func run(_ statement: String, writers count: Int) async throws -> DatabaseWriters.Run {
            try owner.execute(
                "truncate belfry.message_log, belfry.outbox, belfry.parked, by_hand.message, by_hand.outbox")
            return try await writers.run(
                statement, writers: count, warmUp: 0.2, seconds: bench.isQuick ? 0.8 : 1)
        }
    }

    private func withoutRelay(_ bed: Bed, _ statement: String) async throws -> [DatabaseWriters.Run] {
        // As a relay leaves it that is awake: the trigger reads it and does not notify.
        try bed.owner.execute("select setval('belfry.doorbell', 2)")
        var runs: [DatabaseWriters.Run] = []
        for width in Self.widths { runs.append(try await bed.run(statement, writers: width)) }
        return runs
    }

    private func withRelay(_ bed: Bed, _ servers: BenchServers, _ use: inout RelayUse) async throws -> [String: Double]
    {
        try bed.owner.execute("truncate belfry.message_log, belfry.outbox, belfry.parked")
        let relay = try await BelfryServer.start("relay", bed.bench, settings: servers.belfrySettings)
        do {
            var runs: [DatabaseWriters.Run] = []
            for width in Self.widths {
                let before = (publishes: try bed.meter.publishes(), cpu: relay.usage?.cpuSeconds ?? 0)
                let time = BareClock.nanoseconds
                let run = try await bed.run("plain", writers: width)
                let behind = run.commits - (try bed.meter.publishes() - before.publishes)
                let seconds = Double(BareClock.nanoseconds - time) / 1e9
                use.note(width, behind: behind, share: ((relay.usage?.cpuSeconds ?? 0) - before.cpu) / seconds)
                try await bed.meter.wait(for: before.publishes + run.commits)
                guard Double(behind) <= Self.lagMax * Double(run.commits) else {
                    throw BenchError("The relay did not keep up: \(behind) of \(run.commits) messages were left.")
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
