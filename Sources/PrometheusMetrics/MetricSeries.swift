/// One line, or for a histogram one block of lines, of the output: a metric with one set of labels.
protocol MetricSeries: AnyObject, Sendable {
    /// The family it belongs to.
    var name: String { get }
    var labels: SeriesLabels { get }
    /// Its number; `nil` for a histogram.
    var readValue: Double? { get }
    func render(into text: inout PrometheusText)
}

/// The types of the text format that are used here.
enum MetricKind: String {
    case counter, gauge, histogram
}

/// All series of one name, under one `# TYPE`.
struct MetricFamily {
    let name: String
    let kind: MetricKind
    /// The text after `# HELP`, unescaped.
    let help: String?
    /// Upper bounds of a histogram's buckets, without +Inf; empty for the other kinds.
    let buckets: [Double]
    /// By the labels' text, which is the identity of a series.
    var series: [String: any MetricSeries] = [:]
}
