/// A user's connection to a node's API that is kept open: one request after another, each answered before the next.
///
/// Unchecked: one thread at a time uses it.
final class APIConnection: @unchecked Sendable {
    private var socket: PublisherSocket
    private let fields: String

    /// - Parameters:
    ///   - port: of the node, which takes a token for the user's id.
    ///   - user: without characters that a header could not hold.
    init(port: Int, user: String) throws {
        socket = try PublisherSocket(port: port)
        fields = "Host: 127.0.0.1:\(port)\r\nAuthorization: Bearer \(user)\r\n"
    }

    /// The body of the answer to GET.
    func get(_ target: String) throws -> [UInt8] {
        try ask("GET \(target) HTTP/1.1\r\n\(fields)\r\n", [], expecting: 200)
    }

    /// The body of the answer to POST.
    func post(_ target: String, type: String, _ body: [UInt8], expecting status: Int) throws -> [UInt8] {
        let head = "POST \(target) HTTP/1.1\r\n\(fields)Content-Type: \(type)\r\nContent-Length: \(body.count)\r\n\r\n"
        return try ask(head, body, expecting: status)
    }

    private func ask(_ head: String, _ body: [UInt8], expecting status: Int) throws -> [UInt8] {
        socket.append(Array(head.utf8))
        socket.append(body)
        try socket.flush()
        while true {
            if let (answer, length) = try HTTPAnswer.first(in: socket.inbound) {
                socket.dropInbound(length)
                guard answer.status == status else {
                    throw LoadError(
                        "The API answered \(answer.status): \(String(decoding: answer.body.prefix(500), as: UTF8.self))"
                    )
                }
                return answer.body
            }
            try socket.receive()
        }
    }
}

extension APIConnection {
    /// Settings of a node that does not slow down one user who asks without end.
    static let nodeSettings = [
        "BELFRY_LIMITS_REQUESTS_PER_USER_PER_SECOND_MAX": "0", "BELFRY_LIMITS_REQUESTS_PER_CONNECTION_MAX": "1000000",
    ]
}
