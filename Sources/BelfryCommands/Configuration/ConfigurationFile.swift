import Configuration
import Foundation
import Synchronization

/// A configuration file, JSON or YAML by its name, and the keys that stand in it.
struct ConfigurationFile {
    let provider: any ConfigProvider
    /// Every key of the file, dots between its parts.
    let keys: [String]

    /// - Parameter path: ends in .json, .yaml or .yml.
    init(path: String) async throws(ConfigurationError) {
        guard FileManager.default.isReadableFile(atPath: path) else {
            throw ConfigurationError(
                .unreadableFile, "The configuration file '\(path)' does not exist or can't be read.")
        }
        let keys = KeyRecorder()
        do {
            switch URL(fileURLWithPath: path).pathExtension.lowercased() {
            case "json":
                // Called for every key while the file is parsed: the one place where all keys can be seen.
                let options = JSONSnapshot.ParsingOptions(secretsSpecifier: .dynamic { key, _ in keys.record(key) })
                provider = try await FileProvider<JSONSnapshot>(parsingOptions: options, filePath: .init(path))
            case "yaml", "yml":
                let options = YAMLSnapshot.ParsingOptions(secretsSpecifier: .dynamic { key, _ in keys.record(key) })
                provider = try await FileProvider<YAMLSnapshot>(parsingOptions: options, filePath: .init(path))
            default:
                throw ConfigurationError(
                    .unreadableFile, "The configuration file '\(path)' must end in .json, .yaml or .yml.")
            }
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw ConfigurationError(
                .unreadableFile,
                "The configuration file '\(path)' can't be parsed: \(Self.firstLine(of: error))", underlying: error)
        }
        self.keys = keys.recorded
    }

    /// Parsers quote the lines they stumbled over, and a secret may stand there.
    private static func firstLine(of error: any Error) -> String {
        let text = (error as NSError).userInfo["NSDebugDescription"] as? String ?? "\(error)"
        return text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "it has no content."
    }
}

/// Keys seen while a file is parsed.
private final class KeyRecorder: Sendable {
    private let keys = Mutex<[String]>([])

    var recorded: [String] { keys.withLock { $0.sorted() } }

    /// - Returns: whether the value is to be redacted: always, since this program prints none of them.
    func record(_ key: String) -> Bool {
        keys.withLock { $0.append(key) }
        return true
    }
}
