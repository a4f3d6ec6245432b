import BelfryModel
import Foundation
import NIOCore
import Outbox

/// What comes with the making of a replay job: members of one JSON object.
public struct ReplayJobRequest: Decodable, Sendable {
    /// What would be right.
    private static let example = #"{"type":"ORDER_SHIPPED","since":"2026-01-31T08:00:00Z","dryRun":true}"#
    private static let idsMax = 10_000

    /// Unix milliseconds, or a time by RFC 3339.
    private struct Time: Decodable {
        let milliseconds: Int64

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let text = (try? container.decode(Int64.self)).map(String.init) ?? (try? container.decode(String.self))
            guard let milliseconds = text.flatMap(MessageTime.milliseconds) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "it is no time")
            }
            self.milliseconds = milliseconds
        }

        /// As PostgreSQL reads it.
        var text: String {
            Date(timeIntervalSince1970: Double(milliseconds) / 1_000)
                .formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        }
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case ids, receiver, topic, type, since, until, status, includeDelivered, rate, dryRun
    }

    public let criteria: ReplayCriteria
    public let rate: Int
    public let isDryRun: Bool

    public init(from decoder: any Decoder) throws {
        // A criterion that is misspelt would choose too much.
        try decoder.requireMembers(of: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        var criteria = ReplayCriteria()
        criteria.ids = try container.value([InboxRequest.ID].self, .ids)?.map(\.value)
        criteria.receiver = try container.value(String.self, .receiver)
        criteria.topic = try container.value(String.self, .topic)
        criteria.type = try container.value(String.self, .type)
        criteria.since = try container.value(Time.self, .since)?.text
        criteria.until = try container.value(Time.self, .until)?.text
        criteria.status = try container.value(String.self, .status)
        criteria.includeDelivered = try container.value(Bool.self, .includeDelivered) ?? false
        self.criteria = criteria
        rate = try container.value(Int.self, .rate) ?? ReplayJobStore.rateDefault
        isDryRun = try container.value(Bool.self, .dryRun) ?? false
    }

    public init(_ body: ByteBuffer) throws(CommandRefusal) {
        do {
            self = try JSONDecoder().decode(ReplayJobRequest.self, from: Data(body.readableBytesView))
        } catch {
            let place = (error as? DecodingError)?.place ?? ""
            throw CommandRefusal(.invalid, "the body\(place) is not as in \(Self.example).")
        }
        // What PostgreSQL can't be given; of the rest it says itself what is wrong.
        for text in [criteria.receiver, criteria.topic, criteria.type, criteria.status].compactMap(\.self)
        where text.isEmpty || text.utf8.contains(0) || text.utf8.count > Destination.nameBytesMax {
            throw CommandRefusal(
                .invalid,
                "a criterion has 1 to \(Destination.nameBytesMax) bytes and no character U+0000; leave out one that "
                    + "is not to choose.")
        }
        guard criteria.ids?.count ?? 0 <= Self.idsMax else {
            throw CommandRefusal(.invalid, "a job takes \(Self.idsMax) ids at most.")
        }
        guard ReplayJobStore.rates.contains(rate) else {
            let (low, high) = (ReplayJobStore.rates.lowerBound, ReplayJobStore.rates.upperBound)
            throw CommandRefusal(.invalid, "the rate is \(low) to \(high) messages a second.")
        }
    }
}
