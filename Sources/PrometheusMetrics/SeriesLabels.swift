/// The labels of a series, made of the dimensions that swift-metrics hands over.
struct SeriesLabels: Hashable, Sendable {
    /// `a="1",b="2"` with names sanitised and sorted and values escaped; empty without dimensions.
    let text: String

    /// Dimensions in another order make the same labels. Of two dimensions of one name the first counts, since the
    /// format allows a name once.
    init(_ dimensions: [(String, String)]) {
        guard !dimensions.isEmpty else {
            text = ""
            return
        }
        var values: [String: String] = [:]
        for (name, value) in dimensions {
            let name = MetricName.label(name)
            if values[name] == nil { values[name] = PrometheusText.escapedLabelValue(value) }
        }
        text = values.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ",")
    }

    /// The labels in braces, with `le` as one more where given; nothing when there are none.
    func braced(le: String? = nil) -> String {
        let all = [text, le.map { "le=\"\($0)\"" } ?? ""].filter { !$0.isEmpty }.joined(separator: ",")
        return all.isEmpty ? "" : "{\(all)}"
    }
}
