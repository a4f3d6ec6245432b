import Foundation
import FoundationNetworking

/// Plain HTTP to a node.
enum HTTPClient {
    /// The status and the body; `nil` while nobody answers.
    static func get(_ path: String, port: Int) async -> (status: Int, body: String)? {
        guard let url = URL(string: "http://127.0.0.1:\(port)\(path)"),
            let (data, response) = try? await URLSession.shared.data(from: url),
            let status = (response as? HTTPURLResponse)?.statusCode
        else { return nil }
        return (status, String(decoding: data, as: UTF8.self))
    }
}
