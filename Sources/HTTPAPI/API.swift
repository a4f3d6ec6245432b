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
        let sessions: OperateSessions
        let replayJobs: OperateReplayJobs
        let audit: ReadAudit
        let views: OperatorViews
        let acts: OperatorActs

        public init(
            inbox: Inbox, push: PushMessages, cancel: CancelMessage, sessions: OperateSessions,
            replayJobs: OperateReplayJobs, audit: ReadAudit, views: OperatorViews, acts: OperatorActs
        ) {
            self.views = views
            self.acts = acts
            self.sessions = sessions
            self.replayJobs = replayJobs
            self.audit = audit
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

    /// - Parameters:
    ///   - isRefused: whether an operator has refused a user's token.
    ///   - servesEarlierPages: serves `/api/notify/history` for pages of the design before Belfry.
    public init(
        services: Services, authenticator: any Authenticator, isRefused: @escaping @Sendable (Identity) -> Bool,
        limits: Limits, servesEarlierPages: Bool, logger: Logger
    ) {
        self.services = services
        authentication = RequestAuthentication(
            authenticator: authenticator, isRefused: isRefused, waitingMax: limits.authenticationsMax, logger: logger)
        gate = RequestGate(limits: limits)
        bodyBytesMax = limits.requestBodyBytesMax
        self.servesEarlierPages = servesEarlierPages
        self.logger = logger
    }

    /// Its routes, in the order of the documentation.
    var routes: [Route] { routes(servesConsole: true) }

    private func routes(servesConsole: Bool) -> [Route] {
        InboxRoutes(inbox: services.inbox, cancel: services.cancel).all
            + PushRoutes(push: services.push, bodyBytesMax: bodyBytesMax).all
            + OperatorRoutes(sessions: services.sessions).all
            + ReplayJobRoutes(jobs: services.replayJobs, audit: services.audit).all
            + (servesConsole ? ConsoleRoutes(views: services.views, acts: services.acts).all : [])
            + (servesEarlierPages ? EarlierPagesRoutes(inbox: services.inbox).all : [])
    }

    /// Adds the routes, and an answer for every other request under `/api`.
    ///
    /// - Parameter servesConsole: with what the operators' console asks for.
    public func add(to router: Router<NodeRequestContext>, servesConsole: Bool) {
        let routes = routes(servesConsole: servesConsole)
        let described = "/api/openapi.json"
        router.add(middleware: OtherRequests(routes.map { ($0.method, $0.path) } + [(.get, described)]))
        for route in routes { add(route, to: router) }
        let description = Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-cache"],
            body: .init(byteBuffer: .init(bytes: PackageResources.openapi_json)))
        router.get(RouterPath(described)) { request, _ in CrossOrigin.shared(description, with: request) }
    }

    private func add(_ route: Route, to router: Router<NodeRequestContext>) {
        router.on(RouterPath(route.path), method: route.method) { request, context in
            let response = await answer(request, context, by: route)
            metrics.answered(response.status)
            return CrossOrigin.shared(response, with: request)
        }
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
