/// Names as the text format allows them: `[a-zA-Z_:][a-zA-Z0-9_:]*` for metrics, the same without colons for labels.
enum MetricName {
    /// A counter ends in `_total`.
    static func counter(_ label: String) -> String { suffixed(metric(label), "_total") }

    /// A timer ends in its unit, `_seconds`.
    static func timer(_ label: String) -> String { suffixed(metric(label), "_seconds") }

    static func metric(_ label: String) -> String { sanitised(label, allowsColon: true) }

    /// A label's name. `le` is the histogram's own, and names that begin with `__` are Prometheus's.
    static func label(_ dimension: String) -> String {
        let name = sanitised(dimension, allowsColon: false)
        if name == "le" { return "exported_le" }
        return name.hasPrefix("__") ? "x" + name : name
    }

    private static func suffixed(_ name: String, _ suffix: String) -> String {
        name.hasSuffix(suffix) ? name : name + suffix
    }

    private static func sanitised(_ name: String, allowsColon: Bool) -> String {
        var result = ""
        for scalar in name.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "_": result.unicodeScalars.append(scalar)
            case "0"..."9":
                if result.isEmpty { result = "_" }
                result.unicodeScalars.append(scalar)
            case ":" where allowsColon: result.unicodeScalars.append(scalar)
            default: result += "_"
            }
        }
        return result.isEmpty ? "_" : result
    }
}
