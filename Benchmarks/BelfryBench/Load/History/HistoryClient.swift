import Floors

/// One user's requests for a history to a node, each timed many times over one connection that is kept open.
final class HistoryClient {
    private static let requests = 200

    private let api: APIConnection
    private let unreadMark: [UInt8]

    /// - Parameters:
    ///   - port: of the node.
    ///   - count: messages of the user, all unviewed.
    init(port: Int, user: String, count: Int) throws {
        api = try APIConnection(port: port, user: user)
        unreadMark = Array("{\"unviewed\":\(min(count, 1_000)),".utf8)
    }

    /// What each request takes, by its name, in microseconds: the median.
    func times() throws -> [String: Double] {
        let page = "/api/v1/messages?limit=\(HistoryReader.pageRows)"
        let mark = Array("\"receiver\":".utf8)
        return [
            "page by HTTP": try median(page) { body in
                let count = body.indices.filter { body[$0...].starts(with: mark) }.count
                guard count == HistoryReader.pageRows else {
                    throw BenchmarkError("The API answered \(count) messages instead of \(HistoryReader.pageRows).")
                }
            },
            "unread by HTTP": try median("/api/v1/unread") { body in
                guard body.starts(with: unreadMark) else {
                    throw BenchmarkError("The API answered \(String(decoding: body.prefix(200), as: UTF8.self)).")
                }
            },
        ]
    }

    /// - Parameter check: of the last answer, as all are the same.
    private func median(_ target: String, _ check: ([UInt8]) throws -> Void) throws -> Double {
        var body: [UInt8] = []
        let median = try HistoryReader.median(Self.requests) { _ in
            let began = BareClock.nanoseconds
            body = try api.get(target)
            return Double(BareClock.nanoseconds - began) / 1e3
        }
        try check(body)
        return median
    }
}
