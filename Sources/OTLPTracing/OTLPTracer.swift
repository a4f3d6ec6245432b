import MessageTrace
import Tracing

/// A backend of swift-distributed-tracing: spans of sampled traces go to a queue when they end, and from there to an
/// OpenTelemetry collector. Contexts go by W3C Trace Context.
public struct OTLPTracer: Tracer {
    public typealias Span = OTLPSpan

    private let queue: SpanQueue

    public init(queue: SpanQueue) { self.queue = queue }

    public func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> OTLPSpan {
        var context = context()
        let parent = context.spanContext
        let id = context.plannedSpan ?? .random(in: 1 ... .max)
        context.plannedSpan = nil
        context.spanContext = (parent ?? .begun()).with(span: id, isRemote: false)
        return OTLPSpan(
            operationName, context: context, parent: parent, kind: kind, start: instant().nanosecondsSinceEpoch,
            queue: queue)
    }

    /// Spans go by themselves.
    public func forceFlush() {}

    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout InstrumentationContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let text = extractor.extract(key: "traceparent", from: carrier), var parent = TraceParent(text.utf8)
        else { return }
        parent.state = extractor.extract(key: "tracestate", from: carrier)
        context.spanContext = SpanContext(parent)
    }

    public func inject<Carrier, Inject: Injector>(
        _ context: InstrumentationContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let span = context.spanContext else { return }
        injector.inject(span.traceparent, forKey: "traceparent", into: &carrier)
        if let state = span.state { injector.inject(state, forKey: "tracestate", into: &carrier) }
    }
}
