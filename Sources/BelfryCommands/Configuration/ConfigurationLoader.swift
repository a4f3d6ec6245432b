import Configuration

/// Reads the settings from the command line, the environment and a file, in that order of precedence.
struct ConfigurationLoader {
    /// Variables with Belfry's prefix that are no settings.
    static let otherVariables = ["BELFRY_CONFIG", "BELFRY_PG_BIN"]

    private struct Source {
        let name: String
        let provider: any ConfigProvider
        /// What stands before every key of this source.
        let prefix: [String]
        /// How the source names a setting, for sentences.
        let spelling: @Sendable (Setting) -> String
    }

    private let sources: [Source]
    /// The file that settings were read from, if there is one.
    let filePath: String?

    /// - Parameters:
    ///   - flags: values by setting's key, as the command line gave them.
    ///   - environment: the process's.
    ///   - path: the file that `--config` names; `BELFRY_CONFIG` when nil.
    ///   - defaults: values by setting's key that the command has instead of the general defaults.
    /// - Throws: `ConfigurationError` for an unknown name in any of the three.
    init(
        flags: [String: String], environment: [String: String], path: String?, defaults: [String: String] = [:]
    ) async throws(ConfigurationError) {
        try Self.checkFlags(flags)
        try Self.checkEnvironment(environment)
        var sources = [
            Source(
                name: "the command line", provider: Self.provider(of: flags), prefix: [], spelling: { $0.key }),
            Source(
                name: "the environment",
                // An empty variable counts as absent: compose files and unit files have no other way to leave one out.
                provider: EnvironmentVariablesProvider(
                    environmentVariables: environment.filter { !$0.value.isEmpty }, secretsSpecifier: .all),
                prefix: ["belfry"], spelling: { $0.environmentName }),
        ]
        filePath = path ?? environment["BELFRY_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        if let path = filePath {
            let file = try await ConfigurationFile(path: path)
            try Self.checkKeys(file.keys, of: path)
            sources.append(
                Source(name: "the file '\(path)'", provider: file.provider, prefix: [], spelling: { $0.key }))
        }
        sources.append(
            Source(
                name: "the command's defaults", provider: Self.provider(of: defaults), prefix: [],
                spelling: { $0.key }))
        self.sources = sources
    }

    private static func provider(of values: [String: String]) -> InMemoryProvider {
        let pairs = values.map { key, value in
            (
                AbsoluteConfigKey(key.split(separator: ".").map(String.init)),
                ConfigValue(.string(value), isSecret: true)
            )
        }
        return InMemoryProvider(values: Dictionary(pairs, uniquingKeysWith: { first, _ in first }))
    }

    /// The configuration, every value of it checked.
    func load() throws(ConfigurationError) -> BelfryConfiguration {
        var configuration = BelfryConfiguration()
        for setting in Settings.all { _ = try apply(setting, &configuration) }
        return configuration
    }

    /// The same for `belfry config check`: what is wrong is gathered, and what is right says where it comes from.
    func inspect() -> (configuration: BelfryConfiguration, origins: [SettingOrigin], faults: [ConfigurationError]) {
        var configuration = BelfryConfiguration()
        var origins: [SettingOrigin] = []
        var faults: [ConfigurationError] = []
        for setting in Settings.all {
            do throws(ConfigurationError) {
                if let origin = try apply(setting, &configuration) { origins.append(origin) }
            } catch {
                faults.append(error)
            }
        }
        return (configuration, origins, faults)
    }

    /// Takes a setting from the first source that has it; `nil` when none has.
    private func apply(
        _ setting: Setting, _ configuration: inout BelfryConfiguration
    ) throws(ConfigurationError) -> SettingOrigin? {
        for source in sources {
            guard let text = try text(of: setting, in: source) else { continue }
            if let wanted = setting.apply(text, &configuration) {
                let shown = setting.isSecret ? "a value" : "the value '\(text)'"
                throw ConfigurationError(
                    .invalidValue,
                    "The setting \(source.spelling(setting)) has \(shown) in \(source.name) that is not \(wanted).")
            }
            return SettingOrigin(setting: setting, text: text, source: source.name)
        }
        return nil
    }

    /// A setting's value as text, whatever type the source holds it in.
    private func text(of setting: Setting, in source: Source) throws(ConfigurationError) -> String? {
        let key = AbsoluteConfigKey(source.prefix + setting.key.split(separator: ".").map(String.init))
        // JSON's `true` passes for the number 1, too.
        let types: [ConfigType] = setting.isFlag ? [.string, .bool] : [.string, .int, .double, .bool, .stringArray]
        for type in types {
            guard let result = try? source.provider.value(forKey: key, type: type) else { continue }
            guard let content = result.value?.content else { return nil }
            switch content {
            case .string(let text): return text
            case .int(let number): return String(number)
            case .double(let number): return String(number)
            case .bool(let flag): return String(flag)
            case .stringArray(let texts): return texts.joined(separator: ",")
            default: continue
            }
        }
        throw ConfigurationError(
            .invalidValue, "The setting \(source.spelling(setting)) in \(source.name) is neither a text nor a number.")
    }
}

extension ConfigurationLoader {
    private static func checkFlags(_ flags: [String: String]) throws(ConfigurationError) {
        let keys = Settings.all.map(\.key)
        for (key, value) in flags.sorted(by: { $0.key < $1.key }) {
            guard let setting = Settings.named(key) else {
                throw ConfigurationError(
                    .unknownSetting,
                    "The command line sets '\(key)', which is not a setting\(NearestName.suggestion(key, among: keys))")
            }
            guard !setting.isSecret || !holdsPassword(value, setting: setting) else {
                throw ConfigurationError(
                    .secretOnCommandLine,
                    "The secret \(key) was given on the command line, where every user of the machine can read it: "
                        + "set \(setting.environmentName) in the environment or \(key) in a configuration file.")
            }
        }
    }

    /// Whether a value is or holds a secret: a URL's password, in its authority or in its query.
    private static func holdsPassword(_ value: String, setting: Setting) -> Bool {
        guard setting.unit == "URL" else { return true }
        guard let scheme = value.range(of: "://") else { return true }
        let rest = value[scheme.upperBound...]
        let authority = rest.prefix { !"/?#".contains($0) }
        let user = authority.lastIndex(of: "@").map { authority[..<$0] } ?? ""
        return user.contains(":") || rest.lowercased().contains("password=")
    }

    private static func checkEnvironment(_ environment: [String: String]) throws(ConfigurationError) {
        let names = Settings.all.map(\.environmentName) + otherVariables
        let known = Set(names)
        for name in environment.keys.sorted() where name.hasPrefix("BELFRY_") && !name.hasPrefix("BELFRY_TEST_") {
            guard known.contains(name) else {
                throw ConfigurationError(
                    .unknownSetting,
                    "The environment variable \(name) is not a setting\(NearestName.suggestion(name, among: names))")
            }
        }
    }

    private static func checkKeys(_ found: [String], of path: String) throws(ConfigurationError) {
        let keys = Settings.all.map(\.key)
        for key in found where Settings.named(key) == nil {
            throw ConfigurationError(
                .unknownSetting,
                "The configuration file '\(path)' holds '\(key)', which is not a setting"
                    + NearestName.suggestion(key, among: keys))
        }
    }
}
