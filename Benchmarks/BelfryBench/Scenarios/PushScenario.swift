import Floors
import Foundation

/// What sending by HTTP costs beside INSERTs of the same rows.
struct PushScenario: Scenario {
    let name = "push"
    let summary = "messages/s by POST /api/v1/messages, one and 100 a request and in lines, beside the rows by SQL"

    private static let sql = "SQL"
    private static let connectionsMax = 8

    /// One way to send, and the same rows by SQL in transactions of the same size.
    private struct Kind: Sendable {
        let name: String
        let connections: Int
        /// Messages in a request.
        let requestRows: Int
        /// Messages in a transaction, of the node's and of the INSERTs.
        let transactionRows: Int
        var isInLines = false
    }

    private static let kinds = [
        Kind(name: "1 a request, 1 connection", connections: 1, requestRows: 1, transactionRows: 1),
        Kind(name: "1 a request, 8 connections", connections: connectionsMax, requestRows: 1, transactionRows: 1),
        Kind(name: "100 a request, 1 connection", connections: 1, requestRows: 100, transactionRows: 100),
        Kind(
            name: "100 a request, 8 connections", connections: connectionsMax, requestRows: 100,
            transactionRows: 100),
        // As many as the node writes in a transaction, four times.
        Kind(name: "2,000 lines a request", connections: 1, requestRows: 2_000, transactionRows: 500, isInLines: true),
    ]

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        try await Teardown.run { teardown in
            context.progress("push: starting PostgreSQL, Redis and a node")
            let servers = try await ScenarioServers.start(context)
            teardown.add { await servers.stop() }
            let settings = servers.belfrySettings.merging(APIConnection.nodeSettings) { $1 }.merging([
                "BELFRY_POSTGRES_REQUEST_POOL_SIZE": "\(Self.connectionsMax)"
            ]) { $1 }
            let node = try await BelfryServer.start("node", context, settings: settings)
            teardown.add { await node.stop() }
            return try await measure(context, servers, node)
        }
    }

    private func measure(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ node: BelfryServer
    ) async throws -> ScenarioResult {
        let setup = Setup(context: context, owner: try BareConnection(url: servers.postgresURL), node: node)
        let url = servers.postgresURL
        let byAPI: @Sendable (Kind) async throws -> [String: Double] = { kind in
            try await setup.run(kind, rows: kind.requestRows) {
                try .api(port: node.port, inLines: kind.isInLines)
            }
        }
        let bySQL: @Sendable (Kind) async throws -> [String: Double] = { kind in
            try await setup.run(kind, rows: kind.transactionRows) { try .postgres(url) }
        }
        context.progress("push: warming up")
        for kind in Self.kinds {
            _ = try await byAPI(kind)
            _ = try await bySQL(kind)
        }
        let values = try await context.interleave(
            name,
            [
                (Measure.belfry, { _ in try await Self.each(byAPI) }), (Self.sql, { _ in try await Self.each(bySQL) }),
            ])
        return result(values)
    }

    /// What all kinds show, one after another.
    private static func each(_ run: (Kind) async throws -> [String: Double]) async throws -> [String: Double] {
        var values: [String: Double] = [:]
        for kind in kinds {
            for (measure, value) in try await run(kind) { values["\(measure), \(kind.name)"] = value }
        }
        return values
    }

    /// What the runs share.
    private struct Setup: Sendable {
        let context: ScenarioContext
        let owner: BareConnection
        let node: BelfryServer

        /// Sends into empty tables.
        ///
        /// - Parameter rows: messages in a batch of the connection's.
        func run(
            _ kind: Kind, rows: Int, _ open: @escaping @Sendable () throws -> DurableWriters.Writer
        ) async throws -> [String: Double] {
            try owner.execute("truncate belfry.message_log, belfry.outbox, belfry.parked")
            // As a relay leaves it that is awake: the trigger reads it and does not notify.
            try owner.execute("select setval('belfry.doorbell', 2)")
            let load = SendingLoad(
                connections: kind.connections, batchRows: rows, warmUpSeconds: 0.2,
                seconds: context.isQuick ? 0.8 : 1.5)
            let before = (node: try nodeSeconds, postgres: CPUTimes.postgres(context))
            var after = before
            let run = try await load.run(open) {
                after = (node: try nodeSeconds, postgres: CPUTimes.postgres(context))
            }
            let written = try owner.number("select count(*) from belfry.outbox")
            guard written == run.messages else {
                throw BenchmarkError("\(run.messages) messages were accepted, and \(written) are in the outbox.")
            }
            var values = [
                "messages": run.rate, "p50": run.latencies.p50, "p99": run.latencies.p99,
                "node": (after.node - before.node) / Double(run.messages) * 1e6,
            ]
            if let old = before.postgres, let new = after.postgres {
                values["postgres"] = (new - old) / Double(run.messages) * 1e6
            }
            return values
        }

        private var nodeSeconds: Double {
            get throws {
                guard let usage = ServerUsage(of: [node.processIdentifier]) else {
                    throw BenchmarkError("The node has ended: \(node.logTail)")
                }
                return usage.cpuSeconds
            }
        }
    }

    private func result(_ values: [String: [String: [Double]]]) -> ScenarioResult {
        func contender(_ contender: String, _ key: String, _ kind: Kind) -> Contender {
            Contender(contender, values[contender]?["\(key), \(kind.name)"] ?? [])
        }
        func both(_ key: String, _ kind: Kind) -> [Contender] {
            [contender(Measure.belfry, key, kind), contender(Self.sql, key, kind)]
        }
        let measures = Self.kinds.flatMap { kind in
            [
                Measure("messages, \(kind.name)", unit: "/s", both("messages", kind)),
                Measure("p50, \(kind.name)", unit: "µs", both("p50", kind)),
                Measure("p99, \(kind.name)", unit: "µs", both("p99", kind)),
                Measure("PostgreSQL's CPU a message, \(kind.name)", unit: "µs", both("postgres", kind)),
                Measure("node's CPU a message, \(kind.name)", unit: "µs", [contender(Measure.belfry, "node", kind)]),
            ]
        }
        return ScenarioResult(
            name, measures,
            notes: [
                "Texts of \(MessageBatch.textBytes) bytes to 10,000 users at random, without idempotency keys; both "
                    + "ways wait for the commit of each batch before the next, and all rows were counted. No relay "
                    + "runs, and none is rung.",
                "SQL sends one INSERT a transaction, of one row or of arrays, over as many connections as the requests "
                    + "came by; the node had \(Self.connectionsMax) for them (postgres.requestPoolSize).",
                "p50 and p99 are of a request and of a transaction. Lines go 500 a transaction, with the node and by "
                    + "SQL; there a request holds four.",
            ])
    }
}
