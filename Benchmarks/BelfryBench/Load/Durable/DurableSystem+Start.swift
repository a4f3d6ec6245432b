import Floors
import Foundation

extension DurableSystem {
    /// Belfry with its sessions connected.
    static func belfry(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ belfry: BelfryServer
    ) async throws -> DurableSystem {
        let flow = MessageFlow(undeliveredMax: undeliveredMax)
        let swarm = try await connect(port: belfry.port, greeting: .belfry(user: { names[$0] }), flow: flow)
        let url = servers.postgresURL
        return DurableSystem(
            name: Measure.belfry, flow: flow, swarm: swarm,
            open: { try .postgres(url) },
            countUncommitted: {
                let connection = try BareConnection(url: url)
                return { try connection.number("select count(*) from belfry.outbox") }
            },
            waitUntilDurable: { try await waitForCommit(url) },
            usage: {
                CPUTimes([
                    ("belfry", belfry.usage?.cpuSeconds), ("PostgreSQL", CPUTimes.postgres(context)),
                    ("Redis", CPUTimes.redis(context)), ("the load generator", ProcessUsage.own?.cpuSeconds),
                ])
            })
    }

    /// RabbitMQ with its sessions connected: each user has a durable queue.
    static func rabbitMQ(_ rabbit: RabbitMQ) async throws -> DurableSystem {
        let flow = MessageFlow(undeliveredMax: undeliveredMax)
        let greeting = SwarmGreeting(path: { _ in RabbitMQ.webSocketPath }, subprotocol: "v12.stomp", framing: .stomp) {
            RabbitMQ.steps(queue: names[$0])
        }
        let swarm = try await connect(port: rabbit.webSocketPort, greeting: greeting, flow: flow)
        let port = rabbit.stompPort
        return DurableSystem(
            name: "rabbitmq", flow: flow, swarm: swarm,
            open: { try .rabbitMQ(port: port) }, countUncommitted: nil,
            waitUntilDurable: {},
            usage: {
                CPUTimes([
                    ("rabbitmq", rabbit.usage?.cpuSeconds), ("the load generator", ProcessUsage.own?.cpuSeconds),
                ])
            })
    }

    /// Until the outbox is empty: every acknowledgement has been committed.
    private static func waitForCommit(_ url: String) async throws {
        let connection = try BareConnection(url: url)
        let deadline = ContinuousClock.now + .seconds(5)
        while true {
            let left = try connection.number("select count(*) from belfry.outbox")
            if left == 0 { return }
            guard ContinuousClock.now < deadline else {
                throw BenchmarkError("\(left) acknowledged messages were still in the outbox after 5 s.")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}
