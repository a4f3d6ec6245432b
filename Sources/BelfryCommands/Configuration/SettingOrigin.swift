import Foundation
import Postgres
import RedisBus

/// A setting that was set: by what, and to what.
struct SettingOrigin: Sendable {
    let setting: Setting
    /// The value as it was written; may be a secret.
    let text: String
    /// Such as `the environment`.
    let source: String

    /// The value as anybody may read it: a URL of PostgreSQL or Redis without its password, nothing of other secrets.
    var shownText: String {
        guard setting.isSecret else { return text }
        switch setting.key {
        case "postgres.url", "postgres.listenUrl":
            guard let configuration = try? PostgresConfiguration(url: text, applicationName: "belfry") else { break }
            return configuration.redactedDescription
        case "redis.url":
            guard let configuration = try? RedisConfiguration(url: text) else { break }
            return configuration.redactedDescription
        default: break
        }
        return "(a secret)"
    }

    /// Settings as `belfry.process` keeps them: `[{"name":"…","value":"…","origin":"…"}]`.
    static func json(_ origins: [SettingOrigin]) -> String {
        struct Shown: Encodable {
            let name: String
            let value: String
            let origin: String
        }
        let shown = origins.map { Shown(name: $0.setting.key, value: $0.shownText, origin: $0.source) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(shown)).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
    }
}
