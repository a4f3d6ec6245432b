import Foundation
import Tracing

/// The request of OTLP/HTTP in JSON (opentelemetry-proto 1.x, `ExportTraceServiceRequest`): ids are hexadecimal,
/// numbers of 64 bits are strings.
struct OTLPDocument: Encodable {
    struct ResourceSpans: Encodable {
        let resource: Resource
        let scopeSpans: [ScopeSpans]
    }

    struct Resource: Encodable { let attributes: [Attribute] }

    struct ScopeSpans: Encodable {
        struct Scope: Encodable {
            let name: String
            let version: String
        }

        let scope: Scope
        let spans: [Span]
    }

    struct Attribute: Encodable {
        let key: String
        let value: Value
    }

    /// `AnyValue`: one of its members.
    struct Value: Encodable {
        var stringValue: String?
        var intValue: String?
        var doubleValue: Double?
        var boolValue: Bool?
        var arrayValue: Values?
    }

    struct Values: Encodable { let values: [Value] }

    struct Event: Encodable {
        let timeUnixNano: String
        let name: String
        let attributes: [Attribute]
    }

    struct Link: Encodable {
        let traceId: String
        let spanId: String
        let attributes: [Attribute]
    }

    struct Status: Encodable {
        let code: Int
        let message: String?
    }

    struct Span: Encodable {
        let traceId: String
        let spanId: String
        let parentSpanId: String?
        let traceState: String?
        let flags: UInt32
        let name: String
        let kind: Int
        let startTimeUnixNano: String
        let endTimeUnixNano: String
        let attributes: [Attribute]
        let events: [Event]
        let links: [Link]
        let status: Status?
    }

    let resourceSpans: [ResourceSpans]

    /// - Parameters:
    ///   - resource: `service.name` and the like.
    ///   - version: the program's.
    init(_ spans: [FinishedSpan], resource: [(name: String, value: String)], version: String) {
        resourceSpans = [
            ResourceSpans(
                resource: Resource(
                    attributes: resource.map { Attribute(key: $0.name, value: Value(stringValue: $0.value)) }),
                scopeSpans: [
                    ScopeSpans(scope: .init(name: "belfry", version: version), spans: spans.map(Span.init))
                ])
        ]
    }

    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}

extension OTLPDocument.Span {
    /// `SpanFlags`: the trace's own in the lowest byte; whether the parent is another process's is known, and is so.
    private static let sampled: UInt32 = 1
    private static let isRemoteKnown: UInt32 = 0x100
    private static let isRemote: UInt32 = 0x200

    init(_ span: FinishedSpan) {
        traceId = span.context.traceID
        spanId = span.context.spanID
        parentSpanId = span.parent?.spanID
        traceState = span.context.state
        flags = Self.sampled | Self.isRemoteKnown | (span.parent?.isRemote == true ? Self.isRemote : 0)
        name = span.name
        kind =
            switch span.kind {
            case .internal: 1
            case .server: 2
            case .client: 3
            case .producer: 4
            case .consumer: 5
            }
        startTimeUnixNano = String(span.start)
        endTimeUnixNano = String(span.end)
        attributes = OTLPDocument.attributes(span.attributes)
        events = span.events.map {
            OTLPDocument.Event(
                timeUnixNano: String($0.nanosecondsSinceEpoch), name: $0.name,
                attributes: OTLPDocument.attributes($0.attributes))
        }
        links = span.links.compactMap { link in
            link.context.spanContext.map {
                OTLPDocument.Link(
                    traceId: $0.traceID, spanId: $0.spanID, attributes: OTLPDocument.attributes(link.attributes))
            }
        }
        status = span.status.map { OTLPDocument.Status(code: $0.code == .ok ? 1 : 2, message: $0.message) }
    }
}

extension OTLPDocument {
    /// In the order of their names.
    static func attributes(_ attributes: SpanAttributes) -> [Attribute] {
        var all: [Attribute] = []
        attributes.forEach { all.append(Attribute(key: $0, value: Value($1))) }
        return all.sorted { $0.key < $1.key }
    }
}

extension OTLPDocument.Value {
    init(_ attribute: SpanAttribute) {
        switch attribute {
        case .int32(let number): self.init(intValue: String(number))
        case .int64(let number): self.init(intValue: String(number))
        case .int32Array(let numbers): self.init(array: numbers.map { .int32($0) })
        case .int64Array(let numbers): self.init(array: numbers.map { .int64($0) })
        case .double(let number): self.init(number)
        case .doubleArray(let numbers): self.init(array: numbers.map { .double($0) })
        case .bool(let flag): self.init(boolValue: flag)
        case .boolArray(let flags): self.init(array: flags.map { .bool($0) })
        case .string(let text): self.init(stringValue: text)
        case .stringArray(let texts): self.init(array: texts.map { .string($0) })
        case .stringConvertible(let value): self.init(stringValue: "\(value)")
        case .stringConvertibleArray(let values): self.init(array: values.map { .string("\($0)") })
        default: self.init(stringValue: "\(attribute)")
        }
    }

    private init(array: [SpanAttribute]) {
        self.init(arrayValue: OTLPDocument.Values(values: array.map { OTLPDocument.Value($0) }))
    }

    /// JSON has no number that is none or infinite.
    private init(_ number: Double) {
        if number.isFinite { self.init(doubleValue: number) } else { self.init(stringValue: "\(number)") }
    }
}
