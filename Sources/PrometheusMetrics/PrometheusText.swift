/// Writes Prometheus's text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
struct PrometheusText {
    private(set) var text = ""

    mutating func family(_ name: String, _ kind: MetricKind, help: String?) {
        if let help {
            text += "# HELP \(name) \(Self.escapedHelp(help))\n"
        }
        text += "# TYPE \(name) \(kind.rawValue)\n"
    }

    /// - Parameter labels: in braces, or empty.
    mutating func sample(_ name: String, labels: String, value: Double) {
        text += "\(name)\(labels) \(Self.number(value))\n"
    }

    mutating func sample(_ name: String, labels: String, value: Int64) {
        text += "\(name)\(labels) \(value)\n"
    }

    /// A number as Go's `ParseFloat` reads it.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        let digits = "\(value)"
        return digits.hasSuffix(".0") ? String(digits.dropLast(2)) : digits
    }

    static func escapedLabelValue(_ value: String) -> String {
        escaped(value, quote: true)
    }

    static func escapedHelp(_ text: String) -> String {
        escaped(text, quote: false)
    }

    private static func escaped(_ text: String, quote: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quote: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
