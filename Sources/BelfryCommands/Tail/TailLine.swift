import BelfryClient
import Foundation
import Outbox

/// How `belfry tail` prints a message.
enum TailForm: Sendable {
    case text
    case json

    /// A message that arrived.
    func line(_ message: BelfryClient.Message) -> String {
        switch self {
        case .json:
            // The body as it came; a line's end can only stand between its parts.
            VisibleText.inJSON(String(buffer: message.body).replacing("\n", with: " "))
        case .text:
            message.notification.map { text($0, isRedelivered: message.isRedelivered) }
                ?? VisibleText.of("\(message.id)\t\(String(buffer: message.body))")
        }
    }

    /// A message of a history.
    func line(_ notification: BelfryClient.Notification) -> String {
        switch self {
        case .text: return text(notification, isRedelivered: false)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return (try? encoder.encode(notification)).map { VisibleText.inJSON(String(decoding: $0, as: UTF8.self)) }
                ?? ""
        }
    }

    /// A message that was committed.
    func line(_ message: TailedMessage) -> String {
        switch self {
        case .json: return VisibleText.inJSON(message.json)
        case .text:
            let to = message.topic.map { "/topic/\($0)" } ?? message.receiver ?? ""
            let line = [message.createdAt, "\(message.id)", to, message.type, message.json]
            return VisibleText.of(
                (message.status == "pending" ? line : line + [message.status])
                    .joined(separator: "\t"))
        }
    }

    /// What became of one.
    func line(_ change: TailedChange) -> String {
        switch self {
        case .json:
            let object: JSONValue = .object([
                "id": .string("\(change.id)"), "change": .string(change.status),
                "statusReason": change.reason.map { .string($0) } ?? .null,
                "deliveredAt": change.deliveredAt.map { .string($0) } ?? .null,
            ])
            return VisibleText.inJSON(object.description)
        case .text:
            let line = [change.deliveredAt ?? "", "\(change.id)", change.status] + (change.reason.map { [$0] } ?? [])
            return VisibleText.of(line.joined(separator: "\t"))
        }
    }

    private func text(_ notification: BelfryClient.Notification, isRedelivered: Bool) -> String {
        let time = notification.createdAt.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let marks = [
            notification.topic.map { "/topic/\($0)" }, notification.isViewed ? "viewed" : nil,
            isRedelivered ? "redelivered" : nil,
        ].compactMap(\.self)
        let line = [time, notification.id, notification.type, notification.data.description] + marks
        return VisibleText.of(line.joined(separator: "\t"))
    }
}
