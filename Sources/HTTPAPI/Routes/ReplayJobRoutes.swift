import Commands
import HTTPTypes
import Hummingbird
import Outbox

/// Replays as jobs, and the list of what operators did.
struct ReplayJobRoutes: Sendable {
    private static let pageDefault = 50

    let jobs: OperateReplayJobs
    let audit: ReadAudit

    var all: [Route] {
        [
            Route(.post, "/api/v1/replay-jobs") { request throws(Problem) in try await create(request) },
            Route(.get, "/api/v1/replay-jobs") { request throws(Problem) in
                let (before, limit) = try Self.page(of: request, limitMax: OperateReplayJobs.limitMax)
                let listed = try await InboxRoutes.asking { () async throws(CommandRefusal) in
                    try await jobs.jobs(before: before, limit: limit, by: request.identity)
                }
                return Self.answer(
                    request, "jobs", listed.map(\.json), last: listed.count == limit ? listed.last?.id : nil)
            },
            Route(.get, "/api/v1/replay-jobs/{id}") { request throws(Problem) in
                _ = try request.query()
                let id = try Self.id(of: request)
                let job = try await InboxRoutes.asking { () async throws(CommandRefusal) in
                    try await jobs.job(id, by: request.identity)
                }
                guard let job else { throw Self.noSuchJob }
                return request.answerToPoll(job)
            },
        ] + ReplayJobChange.allCases.map(change) + [
            Route(.get, "/api/v1/audit") { request throws(Problem) in
                let (before, limit) = try Self.page(of: request, limitMax: ReadAudit.limitMax)
                let listed = try await InboxRoutes.asking { () async throws(CommandRefusal) in
                    try await audit.page(before: before, limit: limit, by: request.identity)
                }
                return Self.answer(
                    request, "acts", listed.map(\.json), last: listed.count == limit ? listed.last?.id : nil)
            }
        ]
    }

    private static let noSuchJob = Problem(.notFound, "notFound", "There is no such job.")

    private func create(_ request: APIRequest) async throws(Problem) -> Response {
        _ = try request.query()
        // Ten thousand ids in quotes.
        let body = try await request.json(upTo: 256 * 1024)
        let answer = try await InboxRoutes.asking { () async throws(CommandRefusal) in
            try await jobs.create(try ReplayJobRequest(body), by: request.identity)
        }
        return switch answer {
        case .made(let json): request.answer(json, status: .accepted)
        case .estimated(let json): request.answer(json)
        }
    }

    private func change(_ change: ReplayJobChange) -> Route {
        Route(.post, "/api/v1/replay-jobs/{id}/\(change.rawValue)") { request throws(Problem) in
            _ = try request.query()
            let id = try Self.id(of: request)
            try await request.requireNoBody()
            let job = try await InboxRoutes.asking { () async throws(CommandRefusal) in
                try await jobs.change(id, change, by: request.identity)
            }
            guard let job else { throw Self.noSuchJob }
            return request.answer(job)
        }
    }

    private static func id(of request: APIRequest) throws(Problem) -> Int64 {
        let text = try request.parameter("id")
        guard let id = number(text) else {
            throw .invalid("'\(text.prefix(60))' is no job's id: these are numbers from 1 to \(Int64.max).")
        }
        return id
    }

    private static func page(
        of request: APIRequest, limitMax: Int
    ) throws(Problem) -> (before: Int64?, limit: Int) {
        let query = try request.query("before", "limit")
        var (before, limit): (Int64?, Int) = (nil, pageDefault)
        if let text = query["before"] {
            guard let id = number(text) else {
                throw .invalid("before is '\(text.prefix(60))'; it is an id, a number from 1 to \(Int64.max).")
            }
            before = id
        }
        if let text = query["limit"] {
            guard let count = Int(text), (1...limitMax).contains(count) else {
                throw .invalid("limit is '\(text.prefix(60))'; a page has 1 to \(limitMax).")
            }
            limit = count
        }
        return (before, limit)
    }

    /// As messages' ids are written: no sign, no zero in front.
    private static func number(_ text: String) -> Int64? {
        guard let first = text.utf8.first, first != UInt8(ascii: "0"), text.utf8.allSatisfy({ (48...57).contains($0) })
        else { return nil }
        return Int64(text)
    }

    /// - Parameter last: the id before which the next page lies; `nil` where there is none.
    private static func answer(
        _ request: APIRequest, _ name: String, _ listed: [String], last: Int64?
    ) -> Response {
        let next = last.map { "\"\($0)\"" } ?? "null"
        return request.answer("{\"\(name)\":[\(listed.joined(separator: ","))],\"before\":\(next)}")
    }
}
