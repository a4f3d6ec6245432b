import Synchronization
import Tracing

/// A span that is under way.
public final class OTLPSpan: Span {
    public let context: InstrumentationContext
    private let parent: SpanContext?
    private let kind: SpanKind
    private let start: UInt64
    private let queue: SpanQueue
    private let state: Mutex<State>

    private struct State: Sendable {
        var name: String
        var attributes = SpanAttributes([:])
        var status: SpanStatus?
        var events: [SpanEvent] = []
        var links: [SpanLink] = []
        var hasEnded = false
    }

    init(
        _ name: String, context: InstrumentationContext, parent: SpanContext?, kind: SpanKind, start: UInt64,
        queue: SpanQueue
    ) {
        self.context = context
        self.parent = parent
        self.kind = kind
        self.start = start
        self.queue = queue
        state = Mutex(State(name: name))
    }

    public var operationName: String {
        get { state.withLock { $0.name } }
        set { state.withLock { $0.name = newValue } }
    }

    public var attributes: SpanAttributes {
        get { state.withLock { $0.attributes } }
        set { state.withLock { $0.attributes = newValue } }
    }

    public var isRecording: Bool { isSampled && state.withLock { !$0.hasEnded } }

    private var isSampled: Bool { context.spanContext?.isSampled ?? false }

    public func setStatus(_ status: SpanStatus) { state.withLock { $0.status = status } }
    public func addEvent(_ event: SpanEvent) { state.withLock { $0.events.append(event) } }
    public func addLink(_ link: SpanLink) { state.withLock { $0.links.append(link) } }

    public func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        var attributes = attributes
        attributes["exception.type"] = String(describing: type(of: error))
        attributes["exception.message"] = String(describing: error)
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: attributes))
    }

    /// Hands it on, once, if its trace is sampled.
    public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let end = instant().nanosecondsSinceEpoch
        let finished = state.withLock { state -> FinishedSpan? in
            guard !state.hasEnded, isSampled, let context = context.spanContext else { return nil }
            state.hasEnded = true
            return FinishedSpan(
                context: context, parent: parent, name: state.name, kind: kind, start: start, end: max(start, end),
                attributes: state.attributes, status: state.status, events: state.events, links: state.links)
        }
        if let finished { queue.add(finished) }
    }
}

/// A span that has ended.
struct FinishedSpan: Sendable {
    let context: SpanContext
    let parent: SpanContext?
    let name: String
    let kind: SpanKind
    /// Nanoseconds since 1970.
    let start: UInt64
    let end: UInt64
    let attributes: SpanAttributes
    let status: SpanStatus?
    let events: [SpanEvent]
    let links: [SpanLink]
}
