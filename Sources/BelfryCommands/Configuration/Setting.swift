import Listening

/// One setting: its names, its meaning, and how its text becomes a part of the configuration.
struct Setting: Sendable {
    /// The name in a file and in sentences, such as `limits.sessionsMax`.
    let key: String
    /// What its text is, for the reference: `URL`, `bytes`, `duration`.
    let unit: String
    /// One sentence for the reference.
    let summary: String
    /// Whether its value may hold a secret and is never shown.
    let isSecret: Bool
    /// The default as the reference shows it; `nil` when there is none.
    let defaultText: String?
    /// Puts the value in; returns what the text should have been, when it is not.
    let apply: @Sendable (_ text: String, _ configuration: inout BelfryConfiguration) -> String?

    /// The unit of what is on or off.
    private static let flagUnit = "true, false"

    /// Whether it is on or off.
    var isFlag: Bool { unit == Self.flagUnit }

    /// The environment variable: `limits.sessionsMax` is `BELFRY_LIMITS_SESSIONS_MAX`.
    var environmentName: String {
        var name = "BELFRY_"
        for character in key {
            if character == "." {
                name += "_"
            } else {
                if character.isUppercase { name += "_" }
                name += character.uppercased()
            }
        }
        return name
    }
}

extension Setting {
    typealias Path<Value> = WritableKeyPath<BelfryConfiguration, Value> & Sendable

    /// Text that must not be empty.
    static func text(
        _ key: String, _ path: Path<String>, unit: String = "text", _ summary: String
    ) -> Setting {
        Setting(
            key: key, unit: unit, summary: summary, isSecret: false,
            defaultText: BelfryConfiguration()[keyPath: path]
        ) { text, configuration in
            guard !text.isEmpty else { return "a text that is not empty" }
            configuration[keyPath: path] = text
            return nil
        }
    }

    /// Text without a default.
    static func optionalText(
        _ key: String, _ path: Path<String?>, unit: String = "text", secret: Bool = false, _ summary: String
    ) -> Setting {
        Setting(key: key, unit: unit, summary: summary, isSecret: secret, defaultText: nil) { text, configuration in
            guard !text.isEmpty else { return "a text that is not empty" }
            configuration[keyPath: path] = text
            return nil
        }
    }

    /// A URL with one of some schemes. It may hold a password, so it is a secret.
    static func url(_ key: String, _ path: Path<String?>, schemes: [String], _ summary: String) -> Setting {
        Setting(key: key, unit: "URL", summary: summary, isSecret: true, defaultText: nil) { text, configuration in
            guard schemes.contains(where: { text.hasPrefix("\($0)://") && text.count > $0.count + 3 }) else {
                return "a URL that begins with \(schemes.map { "\($0)://" }.joined(separator: " or "))"
            }
            configuration[keyPath: path] = text
            return nil
        }
    }

    /// `host:port`.
    static func address(_ key: String, _ path: Path<ListenAddress>, _ summary: String) -> Setting {
        Setting(
            key: key, unit: "host:port", summary: summary, isSecret: false,
            defaultText: BelfryConfiguration()[keyPath: path].description
        ) { text, configuration in
            guard let address = ListenAddress(parsing: text) else {
                return "a host and a port, such as 127.0.0.1:8080 or [::1]:8080"
            }
            configuration[keyPath: path] = address
            return nil
        }
    }

    /// `host:port`, without a default.
    static func optionalAddress(_ key: String, _ path: Path<ListenAddress?>, _ summary: String) -> Setting {
        Setting(key: key, unit: "host:port", summary: summary, isSecret: false, defaultText: nil) {
            text, configuration in
            guard let address = ListenAddress(parsing: text) else {
                return "a host and a port, such as 127.0.0.1:8081 or [::1]:8081"
            }
            configuration[keyPath: path] = address
            return nil
        }
    }

    /// One of a few words.
    static func choice<Value: RawRepresentable<String> & CaseIterable & Sendable>(
        _ key: String, _ path: Path<Value>, _ summary: String
    ) -> Setting {
        let words = Value.allCases.map(\.rawValue)
        return Setting(
            key: key, unit: words.joined(separator: ", "), summary: summary, isSecret: false,
            defaultText: BelfryConfiguration()[keyPath: path].rawValue
        ) { text, configuration in
            guard let value = Value(rawValue: text) else { return "one of \(words.joined(separator: ", "))" }
            configuration[keyPath: path] = value
            return nil
        }
    }

    /// Texts; with commas between them in the environment and on the command line, an array in a file.
    static func list(_ key: String, _ path: Path<[String]>, unit: String, _ summary: String) -> Setting {
        Setting(key: key, unit: unit, summary: summary, isSecret: false, defaultText: nil) { text, configuration in
            let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { part in
                String(part.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
            }
            guard parts.allSatisfy({ !$0.isEmpty }) else { return "a list with commas between its members" }
            configuration[keyPath: path] = parts
            return nil
        }
    }

    /// Ranges of IP addresses; with commas between them, or an array in a file.
    static func addressRanges(_ key: String, _ path: Path<[AddressRange]>, _ summary: String) -> Setting {
        Setting(key: key, unit: "addresses", summary: summary, isSecret: false, defaultText: nil) {
            text, configuration in
            let ranges = text.split(separator: ",", omittingEmptySubsequences: false).map { part in
                AddressRange(parsing: String(part.filter { !$0.isWhitespace }))
            }
            guard ranges.allSatisfy({ $0 != nil }) else {
                return "a list of addresses and ranges, such as 10.0.0.0/8,192.0.2.1,fd00::/8"
            }
            configuration[keyPath: path] = ranges.compactMap { $0 }
            return nil
        }
    }

    /// On or off.
    static func flag(_ key: String, _ path: Path<Bool>, _ summary: String) -> Setting {
        Setting(
            key: key, unit: flagUnit, summary: summary, isSecret: false,
            defaultText: "\(BelfryConfiguration()[keyPath: path])"
        ) { text, configuration in
            guard let value = Bool(text) else { return "true or false" }
            configuration[keyPath: path] = value
            return nil
        }
    }

    /// A whole number within bounds.
    static func count(
        _ key: String, _ path: Path<Int>, _ range: ClosedRange<Int>, unit: String = "number", _ summary: String
    ) -> Setting {
        Setting(
            key: key, unit: unit, summary: summary, isSecret: false,
            defaultText: "\(BelfryConfiguration()[keyPath: path])"
        ) { text, configuration in
            guard let value = Int(text), range.contains(value) else {
                return "a whole number from \(range.lowerBound) to \(range.upperBound)"
            }
            configuration[keyPath: path] = value
            return nil
        }
    }

    /// A whole number within bounds, without a default.
    static func optionalCount(
        _ key: String, _ path: Path<Int?>, _ range: ClosedRange<Int>, unit: String = "number", _ summary: String
    ) -> Setting {
        Setting(key: key, unit: unit, summary: summary, isSecret: false, defaultText: nil) { text, configuration in
            guard let value = Int(text), range.contains(value) else {
                return "a whole number from \(range.lowerBound) to \(range.upperBound)"
            }
            configuration[keyPath: path] = value
            return nil
        }
    }

    /// A duration within bounds, without a default.
    static func optionalDuration(
        _ key: String, _ path: Path<Duration?>, _ range: ClosedRange<Duration>, _ summary: String
    ) -> Setting {
        Setting(key: key, unit: "duration", summary: summary, isSecret: false, defaultText: nil) {
            text, configuration in
            guard let value = DurationText.parse(text), range.contains(value) else {
                return "\(DurationText.hint), from \(DurationText.text(range.lowerBound)) to "
                    + DurationText.text(range.upperBound)
            }
            configuration[keyPath: path] = value
            return nil
        }
    }

    /// A duration within bounds.
    static func duration(
        _ key: String, _ path: Path<Duration>, _ range: ClosedRange<Duration>, _ summary: String
    ) -> Setting {
        Setting(
            key: key, unit: "duration", summary: summary, isSecret: false,
            defaultText: DurationText.text(BelfryConfiguration()[keyPath: path])
        ) { text, configuration in
            guard let value = DurationText.parse(text), range.contains(value) else {
                return "\(DurationText.hint), from \(DurationText.text(range.lowerBound)) to "
                    + DurationText.text(range.upperBound)
            }
            configuration[keyPath: path] = value
            return nil
        }
    }
}
