import Foundation
import Logging

/// Writes each message as one JSON object in one line, for machines that gather logs.
///
/// Members: `time` (ISO 8601, UTC), `level`, `logger`, `message`, `error` where the message has one, and `metadata`.
struct JSONLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.info

    private let label: String
    private let write: @Sendable (String) -> Void

    /// - Parameter write: gets a line without its end.
    init(label: String, write: @escaping @Sendable (String) -> Void) {
        self.label = label
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        let line = Line(
            time: Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)),
            level: event.level.rawValue, logger: label, message: "\(event.message)",
            error: event.error.map { "\($0)" }, metadata: all.isEmpty ? nil : all.mapValues(Value.init))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts, arrays and objects of texts can always be encoded.
        guard let data = try? encoder.encode(line) else { return }
        write(String(decoding: data, as: UTF8.self))
    }

    private struct Line: Encodable {
        let time: String
        let level: String
        let logger: String
        let message: String
        let error: String?
        let metadata: [String: Value]?
    }

    /// A metadata value with its structure kept.
    private struct Value: Encodable {
        let value: Logger.Metadata.Value

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch value {
            case .string(let text): try container.encode(text)
            case .stringConvertible(let convertible): try container.encode("\(convertible)")
            case .array(let values): try container.encode(values.map(Value.init))
            case .dictionary(let values): try container.encode(values.mapValues(Value.init))
            }
        }
    }
}
