import Commands
import HTTPTypes
import Hummingbird
import Outbox

/// What pages of the design before Belfry ask for, under the path and with the answer that they know.
struct EarlierPagesRoutes: Sendable {
    /// Messages up to which they may go back: those of the design before Belfry do not know where they were.
    private static let depthMax = 1_000

    let inbox: Inbox

    var all: [Route] {
        let inbox = inbox
        return [
            Route(.get, "/api/notify/history") { request throws(Problem) in
                let query = try request.query("page_num", "page_size")
                let number = try Self.number(query["page_num"], "page_num", 0...Self.depthMax, otherwise: 0)
                let size = try Self.number(query["page_size"], "page_size", 1...Inbox.limitMax, otherwise: 20)
                guard (number + 1) * size <= Self.depthMax else {
                    throw .invalid("Only the newest \(Self.depthMax) messages come by page_num and page_size.")
                }
                let bodies = try await InboxRoutes.asking { () async throws(CommandRefusal) in
                    try await inbox.bodies(of: request.identity, from: number * size, count: size)
                }
                return request.answer("{\"data\":{\"content\":[\(bodies.joined(separator: ","))]}}")
            }
        ]
    }

    private static func number(
        _ text: String?, _ name: String, _ range: ClosedRange<Int>, otherwise: Int
    ) throws(Problem) -> Int {
        guard let text else { return otherwise }
        guard let number = Int(text), range.contains(number) else {
            throw .invalid("\(name) is '\(text.prefix(60))'; it is \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }
}
