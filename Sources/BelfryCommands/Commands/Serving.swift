import Logging
import ServiceLifecycle
import UnixSignals

/// What the commands that serve have in common.
enum Serving {
    /// Reads the settings and serves in some roles.
    static func run(_ options: ConfigurationOptions, _ flags: [[String: String?]], roles: ProcessRoles) async throws {
        let loader = try await options.loader(flags.reduce(into: [:]) { $0.merge($1) { $1 } })
        let configuration = try loader.load()
        LogBootstrap.run(configuration)
        let registry = MetricsSetup.bootstrap(roles: roles)
        var process = BelfryProcess(configuration: configuration, roles: roles, registry: registry)
        process.settings = SettingOrigin.json(loader.inspect().origins)
        try await run(
            process,
            listen: roles.contains(.node) ? configuration.listen : configuration.relayListen)
    }

    /// Runs a service until it ends or SIGTERM or SIGINT ends it, at any time of its life.
    ///
    /// - Throws: `CommandFailure`.
    static func run(_ service: some Service, listen: ListenAddress?) async throws {
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "belfry.lifecycle")))
        do {
            try await group.run()
        } catch is CancellationError {
            // The signal came during the start.
        } catch {
            throw CommandFailure(error, listen: listen)
        }
    }
}
