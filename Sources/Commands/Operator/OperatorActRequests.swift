import BelfryModel
import Foundation
import NIOCore
import Outbox

/// The body of a replay of one message.
struct ReplayRequest: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case dryRun, includeDelivered }

    let isDryRun: Bool
    let includesDelivered: Bool

    init(from decoder: any Decoder) throws {
        try decoder.requireMembers(of: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        isDryRun = try container.value(Bool.self, .dryRun) ?? false
        includesDelivered = try container.value(Bool.self, .includeDelivered) ?? false
    }

    static let example = #"{"dryRun":true,"includeDelivered":false}"#
}

/// The body that says which parked messages are meant.
struct ParkedRequest: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case ids, reason, type, all, dryRun }

    private static let reasonBytesMax = 4_000

    let parked: ConsoleStore.Parked
    let isDryRun: Bool

    init(from decoder: any Decoder) throws {
        try decoder.requireMembers(of: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        isDryRun = try container.value(Bool.self, .dryRun) ?? false
        let ids = try container.value([InboxRequest.ID].self, .ids)?.map(\.value)
        let reason = try container.value(String.self, .reason)
        let type = try container.value(String.self, .type)
        switch (ids, reason, type, try container.value(Bool.self, .all)) {
        case (let ids?, nil, nil, nil) where (1...ConsoleStore.batchMax).contains(ids.count): parked = .ids(ids)
        case (nil, let reason?, let type?, nil)
        where reason.utf8.count <= Self.reasonBytesMax && type.utf8.count <= Destination.nameBytesMax
            && !(reason + type).utf8.contains(0):
            parked = .group(reason: reason, type: type)
        case (nil, nil, nil, true?): parked = .all
        default:
            throw DecodingError.dataCorrupted(
                .init(codingPath: [], debugDescription: "it does not say which are meant"))
        }
    }

    static let example = #"{"ids":["42"]}, {"reason":"…","type":"ORDER_SHIPPED"} or {"all":true}"#
}

/// The body of a look at a schema and a sample; what they are is PostgreSQL's to read.
struct CheckRequest: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case type, schema, data }

    let type: String?

    init(from decoder: any Decoder) throws {
        try decoder.requireMembers(of: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        type = try container.value(String.self, .type)
        guard (type == nil) == container.contains(.schema), !(type ?? "").utf8.contains(0) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: [], debugDescription: "it is either a schema or a type's name"))
        }
    }

    static let example = #"{"schema":{"type":"object"},"data":{"order":7}} or {"type":"ORDER_SHIPPED","data":{}}"#
}

/// The body of a new type, or of a change.
struct TypeRequest: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case schema, description }

    private static let descriptionBytesMax = 4_000

    let description: String?

    init(from decoder: any Decoder) throws {
        try decoder.requireMembers(of: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        description = try container.value(String.self, .description)
        guard container.contains(.schema), !(description ?? "").utf8.contains(0),
            (description ?? "").utf8.count <= Self.descriptionBytesMax
        else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "it lacks a schema"))
        }
    }

    static let example = #"{"schema":{"type":"object"},"description":"An order was shipped."}"#
}

extension ByteBuffer {
    /// The body as such a request.
    func operatorRequest<Request: Decodable>(
        _ type: Request.Type, example: String
    ) throws(CommandRefusal) -> Request {
        if let number = JSONNumbers.firstOutOfRange(in: readableBytesView) {
            throw CommandRefusal(
                .invalid, "the body holds the number \(number): its exponent must lie between -308 and 308.")
        }
        do {
            return try JSONDecoder().decode(Request.self, from: Data(readableBytesView))
        } catch {
            throw CommandRefusal(
                .invalid, "the body\((error as? DecodingError)?.place ?? "") is not as in \(example).")
        }
    }
}
