import BelfryModel
import Foundation
import NIOCore

/// What comes with the commands on a user's messages: members of one JSON object.
struct InboxRequest: Decodable {
    /// An id as it stands in messages, or as a number.
    struct ID: Decodable {
        let value: MessageID

        init(from decoder: any Decoder) throws {
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
    var until: Int64?

    private static let bytesMax = 64 * 1024

    /// - Parameter example: what would be right.
    init(_ body: ByteBuffer, example: String) throws(CommandRefusal) {
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
}

extension DecodingError {
    /// Where in the JSON it is, for the rest of a sentence.
    fileprivate var place: String {
        let path: [any CodingKey] =
            switch self {
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
                .dataCorrupted(let context):
                context.codingPath
            @unknown default: []
            }
        return path.first.map { "'s member '\($0.stringValue)'" } ?? ""
    }
}
