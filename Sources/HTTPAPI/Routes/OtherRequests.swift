import HTTPServer
import HTTPTypes
import Hummingbird

/// Answers requests under `/api` that no route is for: another method of a path, or another path.
struct OtherRequests: RouterMiddleware {
    typealias Context = NodeRequestContext

    private let methods: [(path: [Substring], allowed: String)]

    /// - Parameter routes: method and path of all that are served.
    init(_ routes: [(method: HTTPRequest.Method, path: String)]) {
        methods = Dictionary(grouping: routes, by: \.path).map { path, routes in
            // A GET is a HEAD, too.
            let methods = routes.flatMap { $0.method == .get ? [.get, .head] : [$0.method] }
            return (path.split(separator: "/"), methods.map(\.rawValue).sorted().joined(separator: ", "))
        }
    }

    func handle(
        _ request: Request, context: NodeRequestContext,
        next: (Request, NodeRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            guard let response = answer(to: request) else { throw error }
            return CrossOrigin.shared(response, with: request)
        }
    }

    private func answer(to request: Request) -> Response? {
        let path = request.uri.path
        let segments = path.split(separator: "/")
        guard segments.first == "api" else { return nil }
        guard let allowed = methods.first(where: { Self.isOne(segments, of: $0.path) })?.allowed else {
            return Problem(
                .notFound, "notFound", "There is nothing at '\(path.prefix(200))'; see /api/openapi.json."
            ).response
        }
        if request.method == .options { return CrossOrigin.preflight(methods: allowed) }
        return Problem(
            .methodNotAllowed, "methodNotAllowed", "\(request.method.rawValue) is not for this path; \(allowed) are.",
            fields: [.allow: allowed]
        ).response
    }

    private static func isOne(_ segments: [Substring], of pattern: [Substring]) -> Bool {
        segments.count == pattern.count
            && zip(segments, pattern).allSatisfy { $1.hasPrefix("{") || $0 == $1 }
    }
}
