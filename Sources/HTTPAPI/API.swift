import Authentication
import BelfryModel
import Commands
import HTTPServer
import HTTPTypes
import Hummingbird
import Logging

/// What users, applications and operators ask for over HTTP, under `/api`: the same use cases as by STOMP and SQL.
///
/// `/api/openapi.json` describes it, docs/api.md for people.
public struct API: Sendable {
    /// What it needs.
    public struct Services: Sendable {
        let inbox: Inbox
        let push: PushMessages
        let cancel: CancelMessage

        public init(inbox: Inbox, push: PushMessages, cancel: CancelMessage) {
            self.inbox = inbox
            self.push = push
            self.cancel = cancel
        }
    }

    private let services: Services
    private let authentication: RequestAuthentication
    private let gate: RequestGate
    private let bodyBytesMax: Int
    private let servesEarlierPages: Bool
    private let logger: Logger
    private let metrics = APIMetrics()

    /// - Parameter servesEarlierPages: serves `/api/notify/history` for pages of the design before Belfry.
    public init(
        services: Services, authenticator: any Authenticator, limits: Limits, servesEarlierPages: Bool, logger: Logger
    ) {
        self.services = services
        authentication = RequestAuthentication(
            authenticator: authenticator, waitingMax: limits.authenticationsMax, logger: logger)
        gate = RequestGate(limits: limits)
        bodyBytesMax = limits.requestBodyBytesMax
        self.servesEarlierPages = servesEarlierPages
        self.logger = logger
    }

    /// Its routes, in the order of the documentation.
    var routes: [Route] {
        InboxRoutes(inbox: services.inbox, cancel: services.cancel).all
            + PushRoutes(push: services.push, bodyBytesMax: bodyBytesMax).all
            + (servesEarlierPages ? EarlierPagesRoutes(inbox: services.inbox).all : [])
    }

    /// Adds the routes, what says which methods a path has, and an answer for every other path under `/api`.
    public func add(to router: Router<NodeRequestContext>) {
        let byPath = Dictionary(grouping: routes, by: \.path)
        for (path, routes) in byPath {
            let methods = Self.methods(of: routes)
            for route in routes { add(route, to: router) }
            addRest(of: path, methods: methods, to: router)
        }
        let description = Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-cache"],
            body: .init(byteBuffer: .init(bytes: PackageResources.openapi_json)))
        router.get("/api/openapi.json") { request, _ in CrossOrigin.shared(description, with: request) }
        addRest(of: "/api/openapi.json", methods: [.get, .head], to: router)
        for path in ["/api", "/api/**"] {
            for method in Route.methods where method != .head {
                router.on(RouterPath(path), method: method) { request, _ in
                    let detail = "There is nothing at '\(request.uri.path.prefix(200))'; see /api/openapi.json."
                    return CrossOrigin.shared(Problem(.notFound, "notFound", detail).response, with: request)
                }
            }
        }
    }

    private func add(_ route: Route, to router: Router<NodeRequestContext>) {
        router.on(RouterPath(route.path), method: route.method) { request, context in
            let response = await answer(request, context, by: route)
            metrics.answered(response.status)
            return CrossOrigin.shared(response, with: request)
        }
    }

    private func addRest(of path: String, methods: [HTTPRequest.Method], to router: Router<NodeRequestContext>) {
        let allowed = methods.map(\.rawValue).joined(separator: ", ")
        for method in Route.methods where !methods.contains(method) {
            router.on(RouterPath(path), method: method) { request, _ in
                let response =
                    method == .options
                    ? CrossOrigin.preflight(methods: allowed)
                    : Problem(
                        .methodNotAllowed, "methodNotAllowed",
                        "\(request.method.rawValue) is not for this path; \(allowed) are.", fields: [.allow: allowed]
                    ).response
                return CrossOrigin.shared(response, with: request)
            }
        }
    }

    /// A GET is a HEAD, too.
    private static func methods(of routes: [Route]) -> [HTTPRequest.Method] {
        routes.flatMap { $0.method == .get ? [.get, .head] : [$0.method] }
    }

    private func answer(_ request: Request, _ context: NodeRequestContext, by route: Route) async -> Response {
        do throws(Problem) {
            let identity = try await authentication.identity(of: request, context)
            try gate.enter(identity.user, isCounted: route.isCounted)
            defer { gate.leave(identity.user) }
            return try await route.handler(APIRequest(request, context, identity: identity, route: route))
        } catch {
            if let underlying = error.underlying {
                logger.debug("A request could not be served", metadata: ["error": "\(underlying)"])
            }
            return error.response
        }
    }
}
