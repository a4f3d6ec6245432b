import MessageTrace
import Tracing

/// Which span of which trace: W3C Trace Context.
public struct SpanContext: Hashable, Sendable {
    public let traceHigh: UInt64
    public let traceLow: UInt64
    public let span: UInt64
    /// Those of `TraceParent`.
    public let flags: UInt8
    /// `tracestate`.
    public let state: String?
    /// It came from another process.
    public let isRemote: Bool

    init(traceHigh: UInt64, traceLow: UInt64, span: UInt64, flags: UInt8, state: String?, isRemote: Bool) {
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.span = span
        self.flags = flags
        self.state = state
        self.isRemote = isRemote
    }

    /// An application's span.
    public init(_ parent: TraceParent) {
        self.init(
            traceHigh: parent.traceHigh, traceLow: parent.traceLow, span: parent.span, flags: parent.flags,
            state: parent.state, isRemote: true)
    }

    /// Another span of the same trace.
    public func with(span: UInt64, isRemote: Bool) -> SpanContext {
        SpanContext(
            traceHigh: traceHigh, traceLow: traceLow, span: span, flags: flags, state: state,
            isRemote: isRemote)
    }

    /// A new trace.
    static func begun() -> SpanContext {
        SpanContext(
            traceHigh: .random(in: 1 ... .max), traceLow: .random(in: 0 ... .max), span: .random(in: 1 ... .max),
            flags: 3, state: nil, isRemote: false)
    }

    public var isSampled: Bool { flags & 1 != 0 }

    var traceID: String { TraceParent.digits(traceHigh) + TraceParent.digits(traceLow) }
    var spanID: String { TraceParent.digits(span) }

    /// As a header of version 00.
    var traceparent: String { "00-\(traceID)-\(spanID)-0\(flags)" }
}

extension InstrumentationContext {
    private enum SpanContextKey: InstrumentationContextKey {
        typealias Value = SpanContext
    }

    private enum PlannedSpanKey: InstrumentationContextKey {
        typealias Value = UInt64
    }

    /// The span that what follows belongs to.
    public var spanContext: SpanContext? {
        get { self[SpanContextKey.self] }
        set { self[SpanContextKey.self] = newValue }
    }

    /// The id that the next span begun with this context gets, in place of one by chance: others know it already.
    public var plannedSpan: UInt64? {
        get { self[PlannedSpanKey.self] }
        set { self[PlannedSpanKey.self] = newValue }
    }
}
