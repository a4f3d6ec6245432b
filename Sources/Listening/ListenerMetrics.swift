import Metrics

/// What the listeners of a node count.
struct ListenerMetrics: Sendable {
    private struct OfPort: Sendable {
        let open: Meter
        let total: Counter
    }

    private let ports: [ListenerPort: OfPort] = Dictionary(
        uniqueKeysWithValues: ListenerPort.allCases.map { port in
            let label = [("port", port.rawValue)]
            let counts = OfPort(
                open: Meter(label: "belfry_connections", dimensions: label),
                total: Counter(label: "belfry_connections_total", dimensions: label))
            return (port, counts)
        })
    private let refusals: [ConnectionRefusal: Counter] = Dictionary(
        uniqueKeysWithValues: ConnectionRefusal.allCases.map {
            ($0, Counter(label: "belfry_connections_refused_total", dimensions: [("reason", $0.rawValue)]))
        })

    func opened(_ port: ListenerPort) {
        ports[port]?.open.increment()
        ports[port]?.total.increment()
    }

    func closed(_ port: ListenerPort) { ports[port]?.open.decrement() }

    func refused(_ refusal: ConnectionRefusal) { refusals[refusal]?.increment() }
}
