import BelfryModel
import Commands
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Web

/// The plain HTTP of a node: health, metrics, the demo page, and `/dev/…` in development mode.
public struct Routes: Sendable {
    /// Bytes of a request's body at most.
    private static let bodyBytesMax = 512 * 1024

    /// The first segment of the paths that pages of the design before Belfry push by, in development mode.
    static let earlierPagesPath = "vh-stomp-wsend"

    private let health: HealthChecks
    private let metricsText: @Sendable () -> String
    private let development: DevelopmentRoutes?
    private let version: String

    /// - Parameters:
    ///   - metricsText: in Prometheus' text format.
    ///   - development: in development mode only.
    public init(
        health: HealthChecks, metricsText: @escaping @Sendable () -> String, development: DevelopmentRoutes?,
        version: String
    ) {
        self.health = health
        self.metricsText = metricsText
        self.development = development
        self.version = version
    }

    /// - Parameter servesConsole: with the pages of the operators' console.
    public func router(servesConsole: Bool) -> Router<NodeRequestContext> {
        let router = OperationsRoutes(health: health, metricsText: metricsText).router()
        for asset in WebAsset.all + (servesConsole ? WebAsset.console : []) {
            let response = asset.response
            router.get(RouterPath(asset.path)) { _, _ in response }
        }
        if let development {
            addDevelopment(development, to: router)
            addEarlierPages(development.notify, to: router)
        }
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

    private func addDevelopment(_ development: DevelopmentRoutes, to router: Router<NodeRequestContext>) {
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
                let id = try await development.notify.run(
                    to: receiver, type: type, data: String(decoding: data, as: UTF8.self))
                return try Self.json(Created(id: id.description), status: .created)
            } catch let refusal as CommandRefusal {
                return try Self.json(Refused(error: refusal.description), status: Self.status(of: refusal.code))
            }
        }
    }

    /// The buttons of pages of the design before Belfry: a text to all, or to one. Which pages may push, `RequestRules`
    /// has decided.
    private func addEarlierPages(_ notify: SendNotification, to router: Router<NodeRequestContext>) {
        for (path, isToOne) in [("push_all_obj", false), ("push_all_obj/{receiver}", true)] {
            let path = RouterPath("/\(Self.earlierPagesPath)/\(path)")
            router.on(path, method: .options) { request, _ in
                Self.shared(Response(status: .noContent), with: request)
            }
            router.post(path) { request, context in
                let receiver = isToOne ? try context.parameters.require("receiver") : ""
                let body = try await request.body.collect(upTo: Self.bodyBytesMax)
                let text = Self.text(of: body, type: request.headers[.contentType] ?? "")
                do {
                    let address = isToOne ? Address.user(receiver) : .topic(EarlierPages.topic)
                    let id = try await notify.run(to: address, text: text)
                    return Self.shared(try Self.json(Created(id: id.description)), with: request)
                } catch let refusal as CommandRefusal {
                    let status = Self.status(of: refusal.code)
                    return Self.shared(
                        try Self.json(Refused(error: refusal.description), status: status), with: request)
                }
            }
        }
    }

    /// An answer that the page may read which had the browser ask.
    private static func shared(_ response: Response, with request: Request) -> Response {
        guard let origin = request.headers[.origin] else { return response }
        var response = response
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlAllowHeaders] = "content-type, authorization"
        response.headers[.vary] = "Origin"
        return response
    }

    /// What a page wants to have pushed: a JSON string, the first value of a form, or the body as it is.
    private static func text(of body: ByteBuffer, type: String) -> String {
        let text = String(buffer: body)
        if type.hasPrefix("application/json"),
            let string = try? JSONDecoder().decode(String.self, from: Data(text.utf8))
        {
            return string
        }
        guard type.hasPrefix("application/x-www-form-urlencoded"), let field = text.split(separator: "&").first else {
            return text
        }
        let value = field.split(separator: "=", maxSplits: 1).last ?? field
        return String(value).replacing("+", with: " ").removingPercentEncoding ?? String(value)
    }

    private static func status(of code: CommandRefusal.Code) -> HTTPResponse.Status {
        switch code {
        case .forbidden: .forbidden
        case .unavailable: .serviceUnavailable
        default: .badRequest
        }
    }

    private static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response(
            text: String(decoding: try JSONEncoder().encode(value), as: UTF8.self), type: "application/json",
            status: status)
    }
}

extension WebAsset {
    /// The page loads nothing from elsewhere and runs no inline script.
    private static let contentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; "
        + "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

    fileprivate var response: Response {
        var headers: HTTPFields = [
            .contentType: contentType, .cacheControl: "no-cache", .xContentTypeOptions: "nosniff",
        ]
        headers[.contentSecurityPolicy] = Self.contentSecurityPolicy
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
