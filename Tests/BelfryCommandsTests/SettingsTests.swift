import Foundation
import Testing

@testable import BelfryCommands

/// The table of settings.
struct SettingsTests {
    /// A value for each setting that has no default.
    private static let samples = [
        "postgres.url": "postgresql://belfry@db/app", "postgres.listenUrl": "postgresql://belfry@db/app",
        "redis.url": "redis://cache", "allowedOrigins": "https://app.example", "threads": "4", "jwt.secret": "s",
        "relay.listen": "127.0.0.1:8081", "console.listen": "127.0.0.1:8082", "jwt.keys": "/etc/belfry/keys.json",
        "jwt.keysUrl": "https://issuer.example/jwks", "passwords": "/etc/belfry/logins",
        "httpAuth.url": "https://app.example/who", "httpAuth.headers": "Authorization,Cookie", "jwt.issuer": "i",
        "jwt.audience": "a",
        "stomp.listen": "127.0.0.1:61613", "trustedProxies": "10.0.0.0/8,192.0.2.1, fd00::/8",
        "tls.certificates": "/etc/belfry/tls.pem", "tls.key": "/etc/belfry/tls.key", "tls.keyPassword": "s",
        "retention.delivered": "90d", "retention.expired": "30d", "retention.cancelled": "1h",
        "escalation.secret": "whsec_c2VjcmV0", "escalation.secretFile": "/etc/belfry/webhooks",
        "escalation.allowedUrls": "https://app.example/hooks, https://mail.example:8443",
        "retention.parked": "365d", "retention.audit": "730d", "retention.types": "NEWS=7d,ORDER/expired=forever",
        "otel.endpoint": "http://127.0.0.1:4318", "otel.headers": "api-key=abc,x-tenant=a%20b",
    ]

    @Test func namesAreUnique() {
        #expect(Set(Settings.all.map(\.key)).count == Settings.all.count)
        #expect(Set(Settings.all.map(\.environmentName)).count == Settings.all.count)
    }

    @Test(arguments: Settings.all.map(\.key))
    func everySettingTakesItsDefaultFromEverySource(key: String) async throws {
        let setting = try #require(Settings.named(key))
        let value = try #require(setting.defaultText ?? Self.samples[key])
        var nested: Any = value
        for part in key.split(separator: ".").reversed() { nested = [String(part): nested] }
        let json = try #require(String(data: JSONSerialization.data(withJSONObject: nested), encoding: .utf8))
        let file = try TemporaryFile("s.json", json)
        for (environment, path) in [([setting.environmentName: value], nil), ([:], file.path)]
            as [([String: String], String?)]
        {
            let loader = try await ConfigurationLoader(flags: [:], environment: environment, path: path)
            _ = try loader.load()
            // Were the name not the one that is looked up, a wrong value would go unnoticed.
            if setting.unit != "text", setting.unit != "path", path == nil, setting.unit != "origins" {
                let wrong = try await ConfigurationLoader(
                    flags: [:], environment: [setting.environmentName: "\u{1}"], path: nil)
                #expect(throws: ConfigurationError.self) { try wrong.load() }
            }
        }
    }

    @Test(arguments: [
        ("postgres.url", "BELFRY_POSTGRES_URL"), ("postgres.listenUrl", "BELFRY_POSTGRES_LISTEN_URL"),
        ("redis.url", "BELFRY_REDIS_URL"), ("listen", "BELFRY_LISTEN"), ("auth", "BELFRY_AUTH"),
        ("jwt.secret", "BELFRY_JWT_SECRET"), ("jwt.keys", "BELFRY_JWT_KEYS"),
        ("limits.sessionsPerUserMax", "BELFRY_LIMITS_SESSIONS_PER_USER_MAX"),
    ])
    func environmentNamesAreTheKeysInCapitals(key: String, name: String) throws {
        #expect(try #require(Settings.named(key)).environmentName == name)
    }

    /// In `belfry.process`, which operators read, and in what `belfry config check` prints.
    @Test(arguments: Settings.all.filter(\.isSecret).map(\.key))
    func noSecretIsShown(key: String) throws {
        let setting = try #require(Settings.named(key))
        for text in [
            "postgresql://belfry:hunter2@db:5432/app", "postgresql://belfry@db/app?password=hunter2&sslmode=disable",
            "postgresql://db?user=belfry&password=hunter2", "rediss://belfry:hunter2@cache/1", "redis://:hunter2@cache",
            "https://belfry:hunter2@app.example/who?key=hunter2", "whsec_hunter2", "api-key=hunter2", "hunter2",
        ] {
            let origin = SettingOrigin(setting: setting, text: text, source: "the environment")
            let shown = SettingOrigin.json([origin])
            #expect(!shown.contains("hunter2") && shown.contains("\"name\":\"\(key)\""), "\(shown)")
        }
    }

    @Test func theReferenceIsUpToDate() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let committed = try String(contentsOf: root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        #expect(
            committed == SettingsReference.markdown,
            "Run `swift run belfry settings --markdown > docs/configuration.md`.")
    }

    @Test func theReferenceNamesEverySettingAndEverySecret() {
        let lines = SettingsReference.markdown.split(separator: "\n")
        for setting in Settings.all {
            let line = lines.first { $0.hasPrefix("| `\(setting.key)` | `\(setting.environmentName)` |") }
            #expect(line?.contains("*Secret.*") == setting.isSecret)
            #expect(setting.summary.hasSuffix("."))
        }
    }
}
