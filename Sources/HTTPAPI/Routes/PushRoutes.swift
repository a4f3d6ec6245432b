import BelfryModel
import Commands
import HTTPTypes
import Hummingbird
import NIOCore

/// What applications send whose token has the right to.
struct PushRoutes: Sendable {
    private static let keyBytesMax = 200

    let push: PushMessages
    /// Of a body with JSON, and of a line with JSON.
    let bodyBytesMax: Int

    var all: [Route] {
        [
            Route(.post, "/api/v1/messages", isCounted: false) { request throws(Problem) in
                try Self.requireSender(request)
                return request.isOf(type: "application/x-ndjson")
                    ? try await lines(of: request) : try await one(request, to: .users)
            },
            Route(.post, "/api/v1/broadcasts", isCounted: false) { request throws(Problem) in
                try Self.requireSender(request)
                return try await one(request, to: .topics)
            },
        ]
    }

    /// Nobody else's body is read.
    private static func requireSender(_ request: APIRequest) throws(Problem) {
        guard !request.identity.rights.sends.isEmpty else {
            throw Problem(
                .forbidden, "forbidden",
                "This user may not send: the token has no claim belfry.send, which lists to whom.")
        }
    }

    private static func key(of request: APIRequest) throws(Problem) -> String? {
        guard let key = request.header(.idempotencyKey) else { return nil }
        guard (1...keyBytesMax).contains(key.utf8.count) else {
            throw .invalid("The header Idempotency-Key must have 1 to \(keyBytesMax) bytes.")
        }
        return key
    }

    /// A message, or an array of them: one transaction.
    private func one(_ request: APIRequest, to kind: PushMessages.Kind) async throws(Problem) -> Response {
        _ = try request.query()
        let body = try await request.json(upTo: bodyBytesMax)
        let key = try Self.key(of: request)
        let isArray = body.readableBytesView.first { !Self.blanks.contains($0) } == UInt8(ascii: "[")
        let array = isArray ? body : Self.array(of: [body])
        let ids = try await InboxRoutes.asking { () async throws(CommandRefusal) in
            try await push.run(array, of: isArray ? nil : 1, to: kind, key: key, by: request.identity)
        }
        return Self.accepted(ids, request)
    }

    private static let blanks: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]

    private static func array(of objects: [ByteBuffer]) -> ByteBuffer {
        var array = ByteBuffer(string: "[")
        for (place, object) in objects.enumerated() {
            if place > 0 { array.writeString(",") }
            array.writeImmutableBuffer(object)
        }
        array.writeString("]")
        return array
    }

    private static func accepted(_ ids: [MessageID], _ request: APIRequest) -> Response {
        request.answer("{\"ids\":[\(ids.map { "\"\($0)\"" }.joined(separator: ","))]}", status: .accepted)
    }

    // MARK: NDJSON

    /// Messages in lines, written as they come, some hundred in each transaction. What was written before one that is
    /// refused stays, and the answer says which.
    private func lines(of request: APIRequest) async throws(Problem) -> Response {
        _ = try request.query()
        let key = try Self.key(of: request)
        var reader = LineReader(lineBytesMax: bodyBytesMax)
        var ids: [MessageID] = []
        do throws(Problem) {
            var parts = try request.parts().makeAsyncIterator()
            while let batch = try await reader.batch(from: &parts) {
                guard ids.count + batch.count <= LineReader.linesMax else {
                    throw .invalid("A request brings \(LineReader.linesMax) messages at most.")
                }
                let first = ids.count + 1
                ids += try await InboxRoutes.asking { () async throws(CommandRefusal) in
                    try await push.run(
                        Self.array(of: batch), of: batch.count, to: .users, key: key, numberedFrom: first,
                        by: request.identity)
                }
            }
        } catch {
            var problem = error
            problem.members["accepted"] = .number(ids.count)
            problem.members["ids"] = .texts(ids.map(\.description))
            if problem.code == "outcomeUnknown" {
                problem = problem.adding(" Of the lines after the accepted ones some hundred may have been written.")
            }
            throw problem
        }
        return Self.accepted(ids, request)
    }
}

/// Lines of a body, several at a time.
struct LineReader {
    /// Of one request.
    static let linesMax = 100_000
    /// Of a batch: a transaction.
    private static let batchLinesMax = 500
    private static let batchBytesMax = 1024 * 1024

    private let lineBytesMax: Int
    private var rest = ByteBuffer()
    /// Bytes of the rest in which there is no line feed.
    private var looked = 0
    private var isAtEnd = false

    init(lineBytesMax: Int) { self.lineBytesMax = lineBytesMax }

    /// The lines that come next, empty ones left out; `nil` at the end.
    mutating func batch(from parts: inout RequestBody.AsyncIterator) async throws(Problem) -> [ByteBuffer]? {
        var lines: [ByteBuffer] = []
        var bytes = 0
        while lines.count < Self.batchLinesMax, bytes < Self.batchBytesMax {
            if let line = try line() {
                if line.readableBytesView.contains(where: { $0 > 0x20 }) {
                    bytes += line.readableBytes
                    lines.append(line)
                }
            } else if isAtEnd {
                break
            } else {
                try await readOn(&parts)
            }
        }
        return lines.isEmpty ? nil : lines
    }

    /// The next line that is there, or what is left at the end.
    private mutating func line() throws(Problem) -> ByteBuffer? {
        if let index = rest.readableBytesView.dropFirst(looked).firstIndex(of: UInt8(ascii: "\n")) {
            let length = index - rest.readerIndex
            looked = 0
            let line = rest.readSlice(length: length)
            rest.moveReaderIndex(forwardBy: 1)
            return line
        }
        looked = rest.readableBytes
        guard looked <= lineBytesMax else { throw APIRequest.tooLarge(lineBytesMax) }
        guard isAtEnd, looked > 0 else { return nil }
        defer { (rest, looked) = (ByteBuffer(), 0) }
        return rest
    }

    private mutating func readOn(_ parts: inout RequestBody.AsyncIterator) async throws(Problem) {
        do {
            guard let part = try await parts.next() else {
                isAtEnd = true
                return
            }
            rest.discardReadBytes()
            rest.writeImmutableBuffer(part)
        } catch {
            throw Problem(.badRequest, "invalid", "The request broke off.", underlying: error)
        }
    }
}
