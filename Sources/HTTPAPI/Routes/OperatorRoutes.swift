import Authentication
import BelfryModel
import Commands
import HTTPTypes
import Hummingbird
import Outbox

/// What operators see and do of others' sessions.
struct OperatorRoutes: Sendable {
    let sessions: OperateSessions

    var all: [Route] {
        let sessions = sessions
        return [
            Route(.get, "/api/v1/users/{id}/sessions") { request throws(Problem) in
                _ = try request.query()
                return try await list(.user(try Self.user(request)), request)
            },
            Route(.delete, "/api/v1/users/{id}/sessions") { request throws(Problem) in
                let refuse = try request.query("refuse")["refuse"] ?? "false"
                guard ["true", "false"].contains(refuse) else {
                    throw .invalid("refuse is '\(refuse.prefix(60))'; it is true or false.")
                }
                let user = try Self.user(request)
                let ended = try await InboxRoutes.asking { () async throws(CommandRefusal) in
                    try await sessions.end(of: user, refusesTokens: refuse == "true", by: request.identity)
                }
                return request.answer("{\"ended\":\(ended.sessions),\"tokensRefused\":\(ended.tokensRefused)}")
            },
            Route(.get, "/api/v1/topics/{name}/sessions") { request throws(Problem) in
                _ = try request.query()
                let topic = try request.parameter("name")
                guard topic.utf8.count <= Destination.nameBytesMax else {
                    throw .invalid("A topic has \(Destination.nameBytesMax) bytes at most.")
                }
                return try await list(.topic(topic), request)
            },
        ]
    }

    private func list(_ criterion: SessionStore.Criterion, _ request: APIRequest) async throws(Problem) -> Response {
        let listed = try await InboxRoutes.asking { () async throws(CommandRefusal) in
            try await sessions.sessions(of: criterion, by: request.identity)
        }
        return request.answer("{\"sessions\":[\(listed.joined(separator: ","))]}")
    }

    private static func user(_ request: APIRequest) throws(Problem) -> String {
        let user = try request.parameter("id")
        guard Identity.isValid(user: user) else {
            throw .invalid("'\(user.prefix(60))' is no user's id: 1 to \(Identity.userBytesMax) bytes of UTF-8.")
        }
        return user
    }
}
