import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// Asks other servers over HTTP, with one bound on the time of a whole exchange and one on the bytes of its answer.
///
/// It follows no redirect: who may answer is what the operator wrote down, and a header field with a secret goes to
/// nobody else. How many questions are under way is its callers' to bound; of those, `connectionsMax` go to one server
/// at once, and the others wait within their time.
public struct OutgoingHTTPClient: Sendable {
    /// Time in which a connection must stand, for a server that does not answer at all.
    private static let connectTimeout = TimeAmount.seconds(5)

    private let client: HTTPClient

    /// - Parameters:
    ///   - eventLoopGroup: outlives the client.
    ///   - connectionsMax: connections to one server.
    public init(eventLoopGroup: any EventLoopGroup, connectionsMax: Int = 8) {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: Self.connectTimeout))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsMax
        // Else the client tries again by itself until the time is over, and the reason is lost.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .shared(eventLoopGroup), configuration: configuration)
    }

    /// Lets its connections go; questions under way fail. To be called once, at the end.
    public func shutdown() async { try? await client.shutdown() }

    /// Asks, and waits for the whole answer, whatever its status.
    ///
    /// - Parameters:
    ///   - timeout: from now to the last byte of the answer.
    ///   - bytesMax: of the answer's body.
    public func ask(
        _ request: OutgoingRequest, timeout: Duration, bytesMax: Int
    ) async throws(OutgoingHTTPError) -> OutgoingAnswer {
        let question = Self.question(request)
        do {
            return try await Self.within(timeout) {
                // The client's own deadline covers the head of the answer only.
                let answer = try await client.execute(question, deadline: .distantFuture)
                return OutgoingAnswer(
                    status: Int(answer.status.code), body: try await answer.body.collect(upTo: bytesMax),
                    retryAfter: answer.headers.first(name: "Retry-After"))
            }
        } catch {
            throw Self.told(error, timeout: timeout, bytesMax: bytesMax)
        }
    }

    /// Tells something, and goes by the head of the answer, whatever its status. Of the body so much is taken off the
    /// connection, and dropped, so that it can be used again; a longer or a slower one costs the connection alone.
    ///
    /// - Parameters:
    ///   - timeout: from now to the end of the answer's head.
    ///   - bytesMax: of the answer's body.
    public func tell(
        _ request: OutgoingRequest, timeout: Duration, bytesMax: Int = 64 * 1024
    ) async throws(OutgoingHTTPError) -> OutgoingAnswerHead {
        let question = Self.question(request)
        let heard = Heard()
        do {
            return try await Self.within(timeout) {
                let answer = try await client.execute(question, deadline: .distantFuture)
                let head = OutgoingAnswerHead(
                    status: Int(answer.status.code), fields: answer.headers.map { (name: $0.name, value: $0.value) })
                heard.head.withLock { $0 = head }
                var count = 0
                for try await part in answer.body {
                    count += part.readableBytes
                    if count > bytesMax { break }
                }
                return head
            }
        } catch {
            // The application has answered: what becomes of the rest does not matter.
            if let head = heard.head.withLock({ $0 }) { return head }
            throw Self.told(error, timeout: timeout, bytesMax: bytesMax)
        }
    }

    /// The head of an answer whose body is under way.
    private final class Heard: Sendable {
        let head = Mutex<OutgoingAnswerHead?>(nil)
    }

    private static func question(_ request: OutgoingRequest) -> HTTPClientRequest {
        var asked = HTTPClientRequest(url: request.url)
        asked.method = HTTPMethod(rawValue: request.method.rawValue)
        asked.headers = HTTPHeaders(request.fields.map { ($0.name, $0.value) })
        asked.body = request.body.map { .bytes($0) }
        return asked
    }

    /// Runs `body`, and cancels it when the time is over.
    private static func within<Answer: Sendable>(
        _ timeout: Duration, _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask(operation: body)
            group.addTask {
                try await Task.sleep(for: timeout)
                throw Overdue()
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw Overdue() }
            return first
        }
    }

    /// The time is over.
    private struct Overdue: Error {}

    private static func told(_ error: any Error, timeout: Duration, bytesMax: Int) -> OutgoingHTTPError {
        switch error {
        case let error as OutgoingHTTPError: return error
        case is Overdue: return OutgoingHTTPError(.timeout, "no whole answer came within \(timeout)")
        case is NIOTooManyBytesError:
            return OutgoingHTTPError(.tooLarge, "the answer has more than \(bytesMax) bytes", underlying: error)
        case let error as HTTPClientError where badRequests.contains(error):
            return OutgoingHTTPError(.badRequest, "the request can't be made: \(error)", underlying: error)
        default: return OutgoingHTTPError(.unreachable, "it can't be reached: \(error)", underlying: error)
        }
    }

    private static let badRequests: [HTTPClientError] = [
        .invalidURL, .emptyHost, .emptyScheme, .missingSocketPath,
    ]
}
