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
            Self.escaped(String(buffer: message.body).replacing("\n", with: " "))
        case .text:
            message.notification.map { text($0, isRedelivered: message.isRedelivered) }
                ?? Self.visible("\(message.id)\t\(String(buffer: message.body))")
        }
    }

    /// A message of a history.
    func line(_ notification: BelfryClient.Notification) -> String {
        switch self {
        case .text: return text(notification, isRedelivered: false)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return (try? encoder.encode(notification)).map { Self.escaped(String(decoding: $0, as: UTF8.self)) } ?? ""
        }
    }

    private func text(_ notification: BelfryClient.Notification, isRedelivered: Bool) -> String {
        let time = notification.createdAt.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let marks = [
            notification.topic.map { "/topic/\($0)" }, notification.isViewed ? "viewed" : nil,
            isRedelivered ? "redelivered" : nil,
        ].compactMap(\.self)
        let line = [time, notification.id, notification.type, notification.data.description] + marks
        return Self.visible(line.joined(separator: "\t"))
    }

    /// Without what a terminal would take for a command.
    private static func visible(_ line: String) -> String {
        guard line.unicodeScalars.contains(where: commands) else { return line }
        return String(String.UnicodeScalarView(line.unicodeScalars.map { commands($0) ? "\u{FFFD}" : $0 }))
    }

    /// The same in JSON, where it stands in strings only.
    private static func escaped(_ json: String) -> String {
        guard json.unicodeScalars.contains(where: commands) else { return json }
        return json.unicodeScalars.reduce(into: "") { text, scalar in
            if commands(scalar) {
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
    }

    /// Control characters, line ends, and what turns the direction of a text.
    private static func commands(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09: false
        case 0x2028...0x202E, 0x2066...0x2069: true
        default: scalar.properties.generalCategory == .control
        }
    }
}
