import BelfryModel
import Foundation
import NIOCore

/// What comes with the commands on a user's messages: members of one JSON object.
public struct InboxRequest: Decodable, Sendable {
    /// An id as it stands in messages, or as a number.
    public struct ID: Decodable, Sendable {
        let value: MessageID

        public init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let text = try? container.decode(String.self)
            let number = text == nil ? try? container.decode(Int64.self) : nil
            guard let id = text.flatMap({ MessageID($0) }) ?? number.flatMap({ MessageID(String($0)) }) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "it is no message's id")
            }
            value = id
        }
    }

    var before: ID?
    var after: ID?
    var limit: Int?
    var type: String?
    var unviewed: Bool?
    var ids: [ID]?
    var upTo: ID?
    var id: ID?
    /// Unix milliseconds.
    public var until: Int64?

    /// Which messages are viewed.
    public enum Viewed: Sendable {
        case ids([MessageID])
        /// All up to one.
        case upTo(MessageID)
    }

    /// What would be right for marking messages viewed.
    public static let viewedExample = #"{"ids":["41","42"]} or {"upTo":"42"}"#
    /// The same for marking them seen.
    public static let seenExample = #"{"upTo":"42"}"#

    private static let bytesMax = 64 * 1024

    /// - Parameter example: what would be right.
    public init(_ body: ByteBuffer, example: String) throws(CommandRefusal) {
        guard body.readableBytes <= Self.bytesMax else {
            throw CommandRefusal(.invalid, "the body has \(body.readableBytes) bytes; at most \(Self.bytesMax) go.")
        }
        do {
            self = try JSONDecoder().decode(InboxRequest.self, from: Data(body.readableBytesView))
        } catch {
            let place = (error as? DecodingError)?.place ?? ""
            throw CommandRefusal(.invalid, "the body\(place) is not as in \(example).")
        }
    }

    public func viewed() throws(CommandRefusal) -> Viewed {
        switch (ids, upTo) {
        case (let ids?, nil): return .ids(ids.map(\.value))
        case (nil, let id?): return .upTo(id.value)
        default: throw CommandRefusal(.invalid, "the body names either ids or upTo.")
        }
    }

    public func seenUpTo() throws(CommandRefusal) -> MessageID {
        guard let id = upTo?.value else {
            throw CommandRefusal(.invalid, "the body lacks upTo, as in \(Self.seenExample).")
        }
        return id
    }
}

extension DecodingError {
    /// Where in the JSON it is, for the rest of a sentence.
    var place: String {
        path.first.map { "'s member '\($0.stringValue)'" } ?? ""
    }

    /// The same in a list of objects.
    var placeInList: String {
        let member = path.dropFirst().first.map { "'s member '\($0.stringValue)'" } ?? ""
        return (path.first?.intValue).map { $0 > 0 ? "'s message \($0 + 1)\(member)" : member } ?? ""
    }

    private var path: [any CodingKey] {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
            .dataCorrupted(let context):
            context.codingPath
        @unknown default: []
        }
    }
}
