import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The plain HTTP of a node: health, metrics, the demo page, and `/dev/…` in development mode.
struct Routes: Sendable {
    /// Bytes of a request's body at most.
    private static let bodyBytesMax = 512 * 1024

    let health: HealthChecks
    let metricsText: @Sendable () -> String
    let development: DevelopmentRoutes?
    let version: String

    func router() -> Router<BasicRequestContext> {
        let router = OperationsRoutes(health: health, metricsText: metricsText).router()
        for asset in Asset.all {
            router.get(RouterPath(asset.path)) { _, _ in asset.response }
        }
        if let development { addDevelopment(development, to: router) }
        return router
    }

    // MARK: Development mode

    private struct Info: Encodable {
        let dev: Bool
        let psql: String
        let version: String
    }

    private struct Created: Encodable { let id: String }
    private struct Refused: Encodable { let error: String }

    private func addDevelopment(_ development: DevelopmentRoutes, to router: Router<BasicRequestContext>) {
        let version = version
        router.get("/dev/info") { _, _ in
            try Self.json(Info(dev: true, psql: development.psql, version: version))
        }
        router.post("/dev/notify") { request, _ in
            // A page of another origin may not have the user's browser send this.
            guard request.headers[.contentType]?.hasPrefix("application/json") == true else {
                return try Self.json(
                    Refused(error: "Send a JSON object with content-type application/json."), status: .badRequest)
            }
            let body = try await request.body.collect(upTo: Self.bodyBytesMax)
            guard
                let object = try? JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any],
                let receiver = object["receiver"] as? String, let type = object["type"] as? String,
                let data = try? JSONSerialization.data(
                    withJSONObject: object["data"] ?? NSNull(), options: .fragmentsAllowed)
            else {
                return try Self.json(
                    Refused(error: "Send {\"receiver\": \"…\", \"type\": \"…\", \"data\": …}."), status: .badRequest)
            }
            do {
                let id = try await development.notify(receiver, type, String(decoding: data, as: UTF8.self))
                return try Self.json(Created(id: id), status: .created)
            } catch {
                return try Self.json(Refused(error: "\(error)"), status: .badRequest)
            }
        }
    }

    private static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response(
            text: String(decoding: try JSONEncoder().encode(value), as: UTF8.self), type: "application/json",
            status: status)
    }
}

/// A file of the demo page, embedded in the program.
private struct Asset: Sendable {
    let path: String
    let type: String
    let body: ByteBuffer

    static let all: [Asset] = [
        Asset(path: "/", type: "text/html; charset=utf-8", PackageResources.index_html),
        Asset(path: "/demo.js", type: "text/javascript; charset=utf-8", PackageResources.demo_js),
        Asset(path: "/stomp.js", type: "text/javascript; charset=utf-8", PackageResources.stomp_js),
        Asset(path: "/style.css", type: "text/css; charset=utf-8", PackageResources.style_css),
        Asset(path: "/favicon.svg", type: "image/svg+xml", PackageResources.favicon_svg),
    ]

    init(path: String, type: String, _ bytes: [UInt8]) {
        self.path = path
        self.type = type
        self.body = ByteBuffer(bytes: bytes)
    }

    /// The page loads nothing from elsewhere and runs no inline script.
    private static let contentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; "
        + "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

    var response: Response {
        var headers: HTTPFields = [.contentType: type, .cacheControl: "no-cache", .xContentTypeOptions: "nosniff"]
        headers[.contentSecurityPolicy] = Self.contentSecurityPolicy
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: body))
    }
}
