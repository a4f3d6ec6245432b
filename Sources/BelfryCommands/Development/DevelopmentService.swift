import Commands
import Foundation
import HTTPServer
import Outbox
import Postgres
import PrometheusMetrics
import ServiceLifecycle

/// `belfry dev` as a service: servers, database, relay and node, from the start to the clean end.
struct DevelopmentService: Service, CustomStringConvertible {
    /// What the service group's log calls it.
    var description: String { "belfry dev" }

    let configuration: BelfryConfiguration
    let folder: DevelopmentFolder
    let withRedis: Bool
    let registry: PrometheusRegistry

    func run() async throws {
        let servers = try await cancelWhenGracefulShutdown {
            try await DevelopmentServers.start(
                in: folder.url, withRedis: withRedis, isTemporary: folder.isTemporary)
        }
        do {
            try await serve(servers)
        } catch {
            await servers.stop()
            throw error
        }
        await servers.stop()
    }

    private func serve(_ servers: DevelopmentServers) async throws {
        var configuration = configuration
        configuration.authentication = .dev
        configuration.postgresURL = servers.url(user: DevelopmentServers.serviceUser)
        configuration.postgresListenURL = nil
        configuration.redisURL = servers.redis?.url
        let application = PostgresClient(
            configuration: try PostgresConfiguration(
                url: servers.url(user: DevelopmentServers.applicationUser), applicationName: "belfry demo page"),
            size: 1)
        application.start()
        let text = DevelopmentText(
            listen: configuration.listen, applicationURL: servers.url(user: DevelopmentServers.applicationUser),
            operatorURL: servers.url(user: DevelopmentServers.operatorUser), folder: folder,
            isServingConsole: configuration.consoleEnabled && configuration.consoleListen == nil
                && configuration.listen.isLoopback)
        var process = BelfryProcess(configuration: configuration, roles: [.relay, .node], registry: registry)
        // The demo page sends as the application would.
        process.developmentRoutes = DevelopmentRoutes(
            psql: text.psqlProgram, notify: SendNotification(store: OperatorStore(executor: application)))
        process.onListening = { addresses in
            StandardOutput.write(
                text.text(port: addresses.http.port ?? text.listen.port, stompPort: addresses.stomp?.port))
        }
        do {
            try await process.run()
        } catch {
            await application.close()
            throw error
        }
        await application.close()
    }
}
