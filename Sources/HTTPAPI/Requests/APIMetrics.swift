import HTTPTypes
import Metrics

/// What the API counts; `docs/metrics.md` lists the names.
struct APIMetrics: Sendable {
    private let answers: [Int: Counter] = Dictionary(
        uniqueKeysWithValues: (2...5).map {
            ($0, Counter(label: "belfry_api_requests_total", dimensions: [("status", "\($0)xx")]))
        })

    /// - Parameter status: 304 counts as a success.
    func answered(_ status: HTTPResponse.Status) {
        answers[status.code == 304 ? 2 : status.code / 100]?.increment()
    }
}
