import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// The requests of a node's port that are no handshakes, answered by a Hummingbird router. A connection's first request
/// only may become a WebSocket: a later one is told to come again on a new connection.
struct PlainHTTP: Sendable {
    private let http: HTTP1Channel
    private let logger: Logger

    init(router: Router<BasicRequestContext>, policy: UpgradePolicy, logger: Logger) {
        let responder = Self.responder(router, logger: logger)
        self.http = HTTP1Channel(responder: Self.redirectingLateUpgrades(responder, policy: policy))
        self.logger = logger
    }

    /// Puts the handlers of HTTP into a channel, behind its decoder, and serves its requests in a task that ends with the
    /// channel. A first request that asked for a WebSocket and may not have one is answered with the reason.
    func serve(_ channel: any Channel, refusing refusal: UpgradePolicy.Refusal?) throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTPResponseEncoder())
        // Bytes that are no HTTP are answered by 400.
        try pipeline.addHandler(HTTPServerProtocolErrorHandler())
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: .seconds(60), logger: logger))
        let requests = try NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        Task {
            if let refusal {
                try? await Self.refuse(requests, refusal)
            } else {
                await http.handle(value: requests, logger: logger)
            }
        }
    }

    /// Answers a refused upgrade with its reason, and closes.
    private static func refuse(
        _ channel: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>, _ refusal: UpgradePolicy.Refusal
    ) async throws {
        let body = ByteBuffer(string: refusal.text + "\n")
        try await channel.executeThenClose { _, outbound in
            try await outbound.write(
                contentsOf: [
                    .head(
                        HTTPResponse(
                            status: refusal.status,
                            headerFields: [
                                .contentType: "text/plain; charset=utf-8", .connection: "close",
                                .contentLength: String(body.readableBytes),
                            ])),
                    .body(body), .end(nil),
                ])
        }
    }

    /// What Hummingbird's `Application` does with a request; its server is not used here.
    private static func responder(_ router: Router<BasicRequestContext>, logger: Logger) -> HTTP1Channel.Responder {
        let responder = router.buildResponder()
        return { request, writer, channel in
            let context = BasicRequestContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
            var response: Response
            do {
                response = try await responder.respond(to: request, context: context)
            } catch let error as HTTPParserError {
                // Answered with 400 further up.
                throw error
            } catch {
                logger.debug("A request could not be answered", metadata: ["error": "\(error)"])
                response = Response(status: .internalServerError)
            }
            response.headers[.date] = Self.dateNow
            do {
                try await writer.write(response: response.head, body: response.body)
            } catch is HTTPParserError {
                // No parser error: the answer has begun, and there may be no other.
                throw ConnectionCloseRequested()
            }
        }
    }

    /// An upgrade that the policy refuses is answered with its reason.
    private static func redirectingLateUpgrades(
        _ responder: @escaping HTTP1Channel.Responder, policy: UpgradePolicy
    ) -> HTTP1Channel.Responder {
        { request, writer, channel in
            guard request.headers[.upgrade]?.lowercased() == "websocket" else {
                return try await responder(request, writer, channel)
            }
            if let refusal = policy.refusal(path: request.uri.path, origin: request.headers[.origin]) {
                let body = ByteBuffer(string: refusal.text + "\n")
                let response = Response(
                    status: refusal.status, headers: [.contentType: "text/plain; charset=utf-8"],
                    body: .init(byteBuffer: body))
                try await writer.write(response: response.head, body: response.body)
            } else {
                try await writer.writeResponse(
                    HTTPResponse(
                        status: .temporaryRedirect,
                        headerFields: [.connection: "close", .location: request.uri.string]))
                throw ConnectionCloseRequested()
            }
        }
    }

    /// Now, as the header Date has it (RFC 9110, section 5.6.7). The process keeps the C locale's English names.
    private static var dateNow: String {
        var (seconds, parts) = (time(nil), tm())
        gmtime_r(&seconds, &parts)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
            strftime(text.baseAddress, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
            return text.baseAddress.map { String(cString: $0) } ?? ""
        }
    }

    private struct ConnectionCloseRequested: Error {}
}
