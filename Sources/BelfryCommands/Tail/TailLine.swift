import BelfryClient
import Foundation

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
