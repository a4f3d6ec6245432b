import Bus
import Foundation
import Logging
import Postgres
import ServiceLifecycle

/// Keeps the pool open until those that use it have ended.
struct PostgresClientService: Service {
    let client: PostgresClient

    func run() async throws {
        try? await gracefulShutdown()
        // That its connections end now is no news.
        client.onStateChange = nil
        await client.close()
    }
}

/// Keeps the bus open until those that use it have ended.
struct BusService: Service {
    let bus: any Bus

    func run() async throws {
        try? await gracefulShutdown()
        await bus.close()
    }
}

/// Ends the process when its shutdown takes too long: a supervisor would send SIGKILL, and nobody would know why.
struct ShutdownWatchdog: Service {
    /// From the beginning of the shutdown.
    let limit: Duration
    let logger: Logger

    /// Returns when the shutdown begins; the others follow. The thread it leaves ends with the process.
    func run() async throws {
        try? await gracefulShutdown()
        let (limit, logger) = (limit, logger)
        let thread = Thread {
            Thread.sleep(forTimeInterval: Double(limit.components.seconds))
            logger.critical("The shutdown took longer than \(limit.components.seconds) s; ending without it.")
            exit(1)
        }
        thread.start()
    }
}
