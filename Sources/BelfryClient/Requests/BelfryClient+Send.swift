import Foundation
import NIOCore
import STOMP

extension BelfryClient {
    /// Who gets what is sent.
    public enum Receiver: Sendable, Hashable {
        case user(String)
        /// Everybody subscribed to it.
        case topic(String)

        var destination: String {
            switch self {
            // `SendDestination` of the node reads it back.
            case .user(let id): "/user/\(id.replacing("%", with: "%25").replacing("/", with: "%2F"))/queue/msg"
            case .topic(let name): "/topic/\(name)"
            }
        }
    }

    /// What a message to be sent may have beside its content.
    public struct SendOptions: Sendable {
        /// What was sent once under this key is not sent again: with it the client sends again by itself when the
        /// connection is lost before the answer. 255 bytes at most, with the user's id.
        public var idempotencyKey: String?
        /// When it is no longer worth delivering.
        public var expiresAt: Date?
        /// When it is to be delivered.
        public var notBefore: Date?
        /// For the receiver.
        public var headers: [String: String] = [:]

        public init() {}
    }

    /// Sends a message, if the token allows it, and returns when it is committed.
    ///
    /// - Parameters:
    ///   - type: a registered type.
    ///   - json: what the type's schema requires; a value of the program's by `JSONValue(encoding:)`.
    /// - Throws: `BelfryClientError` when it was refused, or when it is not known whether it was sent.
    public func send(
        to receiver: Receiver, type: String = "JSON_MSG", json: JSONValue, options: SendOptions = SendOptions()
    ) async throws {
        try await send(to: receiver, type: type, body: try JSONEncoder().encode(json), options)
    }

    /// Sends a text, as a message of the type `STRING_MSG`.
    public func send(to receiver: Receiver, text: String, options: SendOptions = SendOptions()) async throws {
        try await send(to: receiver, type: "STRING_MSG", body: Data(text.utf8), options)
    }

    private func send(to receiver: Receiver, type: String, body: Data, _ options: SendOptions) async throws {
        var headers: Headers = ["destination": receiver.destination, "type": type]
        if let key = options.idempotencyKey { headers.append("idempotency-key", key) }
        if let date = options.expiresAt { headers.append("expires-at", try Self.milliseconds(date)) }
        if let date = options.notBefore { headers.append("not-before", try Self.milliseconds(date)) }
        headers.append(further: options.headers)
        let request = RequestTable.Request(
            frame: Frame(.send, headers, body: ByteBuffer(bytes: body)), isCommand: false,
            isRepeatable: options.idempotencyKey != nil)
        _ = try await core.answer { $0.ask(request, $1) }
    }

    private static func milliseconds(_ date: Date) throws -> String {
        guard let milliseconds = Int64(exactly: (date.timeIntervalSince1970 * 1_000).rounded()) else {
            throw BelfryClientError(.invalid, "\(date) is out of range.")
        }
        return "\(milliseconds)"
    }
}
