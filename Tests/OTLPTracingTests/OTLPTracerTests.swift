import Testing
import Tracing

@testable import OTLPTracing

/// The backend of swift-distributed-tracing.
@Suite struct OTLPTracerTests {
    private struct Fields: Extractor, Injector {
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
    }

    private struct Failure: Error {}

    /// A flag that is not known yet is left out; that the trace's id is by chance goes on.
    @Test(arguments: [("01", "01"), ("03", "03"), ("ff", "03")])
    func contextsGoByW3C(_ flags: String, _ passedOn: String) {
        let tracer = OTLPTracer(queue: SpanQueue(spansMax: 10))
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
        let carrier = ["traceparent": parent + flags, "tracestate": "a=b"]
        var context = InstrumentationContext.topLevel
        tracer.extract(carrier, into: &context, using: Fields())
        var out: [String: String] = [:]
        tracer.inject(context, into: &out, using: Fields())
        #expect(out == ["traceparent": parent + passedOn, "tracestate": "a=b"])
        var none = InstrumentationContext.topLevel
        tracer.extract(["traceparent": "nonsense"], into: &none, using: Fields())
        #expect(none.spanContext == nil)
    }

    @Test func aSpanIsAChildAndEndsOnce() throws {
        let queue = SpanQueue(spansMax: 10)
        let tracer = OTLPTracer(queue: queue)
        let root = tracer.startSpan("root", context: .topLevel)
        let child = tracer.startSpan("child", context: root.context, ofKind: .client)
        child.recordError(Failure())
        #expect(child.isRecording)
        child.end()
        child.end()
        root.end()
        #expect(!child.isRecording)
        let spans = queue.take(10)
        #expect(spans.map(\.name) == ["child", "root"])
        #expect(spans[0].parent?.span == spans[1].context.span)
        #expect(spans[0].context.traceID == spans[1].context.traceID && spans[1].parent == nil)
        #expect(spans[0].events.map(\.name) == ["exception"])
    }

    @Test func whatFindsNoPlaceIsDropped() {
        let queue = SpanQueue(spansMax: 2)
        let tracer = OTLPTracer(queue: queue)
        for name in ["first", "second", "third"] { tracer.startSpan(name, context: .topLevel).end() }
        #expect(queue.isFull && queue.take(10).map(\.name) == ["first", "second"])
    }

    @Test func whatIsNotSampledGoesNowhere() {
        let queue = SpanQueue(spansMax: 10)
        let tracer = OTLPTracer(queue: queue)
        var context = InstrumentationContext.topLevel
        tracer.extract(
            ["traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"], into: &context, using: Fields())
        let span = tracer.startSpan("quiet", context: context)
        #expect(!span.isRecording)
        span.end()
        #expect(queue.count == 0)
    }
}
