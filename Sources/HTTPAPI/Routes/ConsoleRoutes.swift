import Commands
import HTTPTypes
import Hummingbird
import NIOCore

/// What the operators' console asks for: its views, and what is done in it.
struct ConsoleRoutes: Sendable {
    private static let path = "/api/v1/operator"
    /// A schema, or data of a message and a schema.
    private static let bodyBytesMax = 512 * 1024
    private static let nothing = Problem(.notFound, "notFound", "There is nothing with this id.")

    let views: OperatorViews
    let acts: OperatorActs

    var all: [Route] {
        OperatorViews.parameters.map(view) + [
            Route(.post, "\(Self.path)/messages/{id}/replay") { request throws(Problem) in
                let (id, body) = (try request.messageID(), try await Self.body(of: request))
                let done = try await InboxRoutes.asking { () async throws(CommandRefusal) in
                    try await acts.replay(id, body, by: request.identity)
                }
                guard let done else { throw Self.nothing }
                return request.answer(done)
            },
            Route(.post, "\(Self.path)/messages/{id}/cancel") { request throws(Problem) in
                _ = try request.query()
                let id = try request.messageID()
                try await request.requireNoBody()
                return try await answer(request) { () async throws(CommandRefusal) in
                    try await acts.cancel(id, by: request.identity)
                }
            },
            parked("replay", cancels: false),
            parked("cancel", cancels: true),
            Route(.post, "\(Self.path)/check-sample") { request throws(Problem) in
                let body = try await Self.body(of: request)
                return try await answer(request) { () async throws(CommandRefusal) in
                    try await acts.check(body, by: request.identity)
                }
            },
            Route(.put, "\(Self.path)/types/{name}") { request throws(Problem) in
                let (name, body) = (try request.parameter("name"), try await Self.body(of: request))
                return try await answer(request) { () async throws(CommandRefusal) in
                    try await acts.register(name, body, by: request.identity)
                }
            },
        ]
    }

    private func view(_ view: String, _ names: [String]) -> Route {
        Route(.get, "\(Self.path)/\(view)") { request throws(Problem) in
            let query = try request.query(names)
            let shown = try await InboxRoutes.asking { () async throws(CommandRefusal) in
                try await views.show(view, query, to: request.identity)
            }
            guard let shown else { throw Self.nothing }
            return request.answer(shown)
        }
    }

    private func parked(_ name: String, cancels: Bool) -> Route {
        Route(.post, "\(Self.path)/parked/\(name)") { request throws(Problem) in
            let body = try await Self.body(of: request)
            return try await answer(request) { () async throws(CommandRefusal) in
                try await acts.parked(body, cancels: cancels, by: request.identity)
            }
        }
    }

    private func answer(
        _ request: APIRequest, _ body: () async throws(CommandRefusal) -> String
    ) async throws(Problem) -> Response {
        request.answer(try await InboxRoutes.asking(body))
    }

    private static func body(of request: APIRequest) async throws(Problem) -> ByteBuffer {
        _ = try request.query()
        return try await request.json(upTo: bodyBytesMax)
    }
}
