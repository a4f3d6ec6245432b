import Metrics
import Synchronization

/// Spans that have ended, on their way to the collector. Bounded: what finds no place is dropped and counted.
public final class SpanQueue: Sendable {
    private let spansMax: Int
    private let spans = Mutex<[FinishedSpan]>([])
    private let dropped = Counter(label: "belfry_spans_dropped_total", dimensions: [("reason", "queueFull")])

    /// - Parameter spansMax: that wait; about a kilobyte each.
    public init(spansMax: Int) { self.spansMax = spansMax }

    /// Whether a span that ended now would be dropped.
    var isFull: Bool { spans.withLock { $0.count >= spansMax } }

    /// How many wait.
    var count: Int { spans.withLock { $0.count } }

    func add(_ span: FinishedSpan) {
        let isTaken = spans.withLock { spans in
            guard spans.count < spansMax else { return false }
            spans.append(span)
            return true
        }
        if !isTaken { dropped.increment() }
    }

    /// Counts a span that was not even made, as the queue is full.
    func dropOne() { dropped.increment() }

    /// Puts back what was taken and not brought to its end, in front of what came since.
    func putBack(_ taken: [FinishedSpan]) { spans.withLock { $0.insert(contentsOf: taken, at: 0) } }

    /// The first spans.
    func take(_ count: Int) -> [FinishedSpan] {
        spans.withLock { spans in
            let taken = Array(spans.prefix(count))
            spans.removeFirst(taken.count)
            return taken
        }
    }
}
