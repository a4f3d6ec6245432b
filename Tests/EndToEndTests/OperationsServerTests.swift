import BelfryModel
import HTTPServer
import NIOCore
import NIOPosix
import TestBasics
import TestSupport
import Testing

/// Health and metrics of a process that is no node.
@Suite struct OperationsServerTests {
    /// Runs `body` with the port of a server.
    private static func with(_ limits: Limits, _ body: (Int) async throws -> Void) async throws {
        let port = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Int.self)
        let server = RunningService(
            OperationsServer(
                host: "127.0.0.1", port: 0, limits: limits, eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                health: HealthChecks(), metricsText: { "belfry_up 1\n" }, logger: .quiet,
                onListening: { port.succeed($0.port ?? 0) }))
        do {
            try await body(try await port.futureResult.get())
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    @Test func healthAndMetricsAreServed() async throws {
        try await Self.with(Limits()) { port in
            for (path, text) in [("/health/live", "200"), ("/metrics", "belfry_up 1"), ("/ws", "404")] {
                let connection = try await RawConnection.open(port: port)
                try await connection.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                #expect(try await connection.receive(text).hasPrefix("HTTP/1.1 "))
                try await connection.ended()
                await connection.close()
            }
        }
    }

    @Test func whoSaysNothingOrHalfARequestIsLetGo() async throws {
        var limits = Limits()
        limits.firstRequestTimeout = .milliseconds(300)
        try await Self.with(limits) { port in
            for beginning in ["", "GET /health/live HTTP/1.1\r\nHo"] {
                let connection = try await RawConnection.open(port: port)
                try await connection.send(beginning)
                try await connection.ended()
                await connection.close()
            }
        }
    }
}
