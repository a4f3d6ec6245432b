import HTTPTypes
import Hummingbird
import NIOCore

/// What operators and their machines ask over HTTP, the same at a node's port and at a relay's own.
struct OperationsRoutes: Sendable {
    let health: HealthChecks
    let metricsText: @Sendable () -> String

    /// A router with `/health/live`, `/health/ready` and `/metrics`, each for GET and HEAD.
    func router() -> Router<NodeRequestContext> {
        let router = Router(context: NodeRequestContext.self, options: .autoGenerateHeadEndpoints)
        let (health, metricsText) = (health, metricsText)
        router.get("/health/live") { _, _ in Response(text: "live\n", type: "text/plain; charset=utf-8") }
        router.get("/health/ready") { _, _ in
            let report = await health.report()
            return Response(
                text: report.json + "\n", type: "application/json",
                status: report.isReady ? .ok : .serviceUnavailable)
        }
        router.get("/metrics") { _, _ in
            Response(text: metricsText(), type: "text/plain; version=0.0.4; charset=utf-8")
        }
        return router
    }
}

extension Response {
    /// An answer that is true at this moment only, and so is not to be cached.
    init(text: String, type: String, status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: type, .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}
