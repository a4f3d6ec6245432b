import Foundation
import FoundationNetworking

/// What a node answers to a request of plain HTTP.
public struct HTTPAnswer: Sendable {
    public let status: Int
    /// By their names in lower case.
    public let headers: [String: String]
    public let body: String

    /// Asks a node's port, as a user of development mode.
    ///
    /// - Parameters:
    ///   - path: with the query.
    ///   - json: the body.
    public static func ask(
        _ method: String = "GET", _ path: String, port: Int, token: String? = "alice", json: String? = nil,
        headers: [String: String] = [:]
    ) async throws -> HTTPAnswer {
        var request = URLRequest(url: try url(path, port))
        request.httpMethod = method
        request.timeoutInterval = 20
        if let token { request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
        if let json {
            request.httpBody = Data(json.utf8)
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        }
        for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
        // Nothing is kept and nothing shared: each asks on a connection of its own.
        let session = URLSession(configuration: .ephemeral)
        defer { session.finishTasksAndInvalidate() }
        let (data, response) = try await session.data(for: request)
        guard let response = response as? HTTPURLResponse else { throw URLError(.badServerResponse) }
        var headers: [String: String] = [:]
        for (name, value) in response.allHeaderFields { headers["\(name)".lowercased()] = "\(value)" }
        return HTTPAnswer(status: response.statusCode, headers: headers, body: String(decoding: data, as: UTF8.self))
    }

    private static func url(_ path: String, _ port: Int) throws -> URL {
        guard let url = URL(string: "http://127.0.0.1:\(port)\(path)") else { throw URLError(.badURL) }
        return url
    }

    /// The body, read as a JSON object.
    public var object: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]) ?? [:]
    }

    /// The ids of what was sent.
    public var ids: [String] { object["ids"] as? [String] ?? [] }

    /// The ids of a page.
    public var messageIDs: [String] {
        (object["messages"] as? [[String: Any]])?.compactMap { $0["id"] as? String } ?? []
    }

    /// "unviewed unseen".
    public var counts: String {
        "\(object["unviewed"] as? Int ?? -1) \(object["unseen"] as? Int ?? -1)"
    }

    /// What a problem says (RFC 9457), as "status code".
    public var problem: String {
        let isOne = headers["content-type"] == "application/problem+json" && object["status"] as? Int == status
        return isOne ? "\(status) \(object["code"] as? String ?? "")" : "no problem: \(status) \(body)"
    }

    public var detail: String { object["detail"] as? String ?? "" }
}
