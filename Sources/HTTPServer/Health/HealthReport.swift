/// The states of every check at one moment.
public struct HealthReport: Sendable {
    public let entries: [(name: String, state: HealthState)]

    public init(entries: [(name: String, state: HealthState)]) {
        self.entries = entries
    }

    /// Whether traffic should come here: nothing is down. Degraded parts still serve.
    public var isReady: Bool {
        entries.allSatisfy { entry in
            if case .down = entry.state { false } else { true }
        }
    }

    /// `ready`, `degraded` or `down`: the worst of the states.
    public var status: String {
        guard isReady else { return "down" }
        return entries.allSatisfy { $0.state == .up } ? "ready" : "degraded"
    }

    /// The body of `/health/ready`: `{"status":"degraded","checks":{"redis":{"state":"degraded","reason":"…"}}}`.
    public var json: String {
        let checks = entries.map { name, state in
            switch state {
            case .up: "\(Self.quoted(name)):{\"state\":\"up\"}"
            case .degraded(let reason):
                "\(Self.quoted(name)):{\"state\":\"degraded\",\"reason\":\(Self.quoted(reason))}"
            case .down(let reason): "\(Self.quoted(name)):{\"state\":\"down\",\"reason\":\(Self.quoted(reason))}"
            }
        }
        return "{\"status\":\"\(status)\",\"checks\":{\(checks.joined(separator: ","))}}"
    }

    /// A JSON string literal.
    private static func quoted(_ text: String) -> String {
        var literal = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": literal += "\\\""
            case "\\": literal += "\\\\"
            case "\n": literal += "\\n"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                literal += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: literal.unicodeScalars.append(scalar)
            }
        }
        return literal + "\""
    }
}
