import BelfryModel
import MessageTrace
import Tracing

/// Makes spans of what relay and nodes do with messages, by OpenTelemetry's conventions for messaging.
///
/// Both are children of the application's span. A delivery has a link to the relay's span besides: its id follows from
/// what both processes know, so that nothing has to be carried between them.
public struct MessageTracer: MessageSpans {
    private let tracer: OTLPTracer
    private let queue: SpanQueue

    public init(queue: SpanQueue) {
        self.queue = queue
        tracer = OTLPTracer(queue: queue)
    }

    public func add(_ span: MessageSpan) {
        guard !queue.isFull else { return queue.dropOne() }
        let parent = SpanContext(span.parent)
        var context = InstrumentationContext.topLevel
        context.spanContext = parent
        if span.operation == .publish { context.plannedSpan = span.publicationSpan }
        let made = tracer.startSpan(
            span.operation == .publish ? "belfry.relay publish" : "belfry.node deliver", context: context,
            ofKind: span.operation == .publish ? .producer : .consumer,
            at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: span.start))
        made.attributes = Self.attributes(of: span)
        if span.operation == .deliver, let id = span.publicationSpan {
            var publication = InstrumentationContext.topLevel
            publication.spanContext = parent.with(span: id, isRemote: true)
            made.addLink(SpanLink(context: publication, attributes: [:]))
        }
        if case .failed(let why) = span.outcome { made.setStatus(SpanStatus(code: .error, message: why)) }
        made.end(at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: span.end))
    }

    /// OpenTelemetry, "Semantic conventions for messaging spans". A user's queue is one of many alike, and so is named
    /// by its template.
    private static func attributes(of span: MessageSpan) -> SpanAttributes {
        var attributes = SpanAttributes([:])
        attributes["messaging.system"] = "belfry"
        attributes["messaging.operation.name"] = span.operation == .publish ? "publish" : "deliver"
        attributes["messaging.operation.type"] = span.operation == .publish ? "send" : "process"
        attributes["messaging.message.id"] = span.message.description
        switch span.address {
        case .topic(let name): attributes["messaging.destination.name"] = "/topic/\(name)"
        case .user(let user):
            attributes["messaging.destination.name"] = "/user/\(user)/queue"
            attributes["messaging.destination.template"] = "/user/{id}/queue"
        }
        if let bytes = span.bodyBytes { attributes["messaging.message.body.size"] = bytes }
        switch span.outcome {
        case .done: break
        case .failed(let why): attributes["error.type"] = why
        case .unanswered: attributes["belfry.outcome"] = "unanswered"
        }
        for attribute in span.attributes {
            switch attribute.value {
            case .text(let text): attributes[attribute.name] = text
            case .number(let number): attributes[attribute.name] = number
            }
        }
        return attributes
    }
}
