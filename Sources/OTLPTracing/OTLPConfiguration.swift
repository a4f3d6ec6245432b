import Foundation

/// Where spans go.
public struct OTLPConfiguration: Sendable {
    /// The URL that spans are posted to.
    public let url: String
    /// Header fields of the request, secrets perhaps.
    public let fields: [(name: String, value: String)]
    /// What each span says of this process.
    public let resource: [(name: String, value: String)]
    /// The program's.
    public let version: String
    /// Time for one request.
    public var timeout: Duration = .seconds(10)

    private static let path = "/v1/traces"

    /// - Parameters:
    ///   - endpoint: the collector's base URL, to which `/v1/traces` is added where it is not there.
    ///   - fields: as `parseFields` reads them.
    ///   - service: its name, this process's id, the program's version.
    /// - Returns: `nil` where the endpoint is no URL of HTTP.
    public init?(
        endpoint: String, fields: [(name: String, value: String)] = [],
        service: (name: String, instance: String, version: String)
    ) {
        guard let parts = URLComponents(string: endpoint), ["http", "https"].contains(parts.scheme?.lowercased()),
            parts.host?.isEmpty == false, parts.fragment == nil, parts.query == nil
        else { return nil }
        let base = endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint
        url = base.hasSuffix(Self.path) ? base : base + Self.path
        self.fields = fields
        resource = [
            ("service.name", service.name), ("service.instance.id", service.instance),
            ("service.version", service.version), ("telemetry.sdk.name", "belfry"),
            ("telemetry.sdk.language", "swift"), ("telemetry.sdk.version", service.version),
        ]
        version = service.version
    }

    /// The URL without what may be secret, for sentences.
    var shownURL: String {
        guard var parts = URLComponents(string: url) else { return "the collector" }
        parts.user = nil
        parts.password = nil
        return parts.string ?? "the collector"
    }

    /// `name=value` pairs with commas between them, values percent-encoded, as `OTEL_EXPORTER_OTLP_HEADERS` has them
    /// (OpenTelemetry, "Protocol Exporter"). Returns `nil` for anything else.
    public static func parseFields(_ text: String) -> [(name: String, value: String)]? {
        var fields: [(name: String, value: String)] = []
        for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            let name = parts[0].trimmingCharacters(in: .whitespaces)
            guard let value = parts[1].trimmingCharacters(in: .whitespaces).removingPercentEncoding,
                !name.isEmpty, name.utf8.allSatisfy(isOfToken),
                value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
            else { return nil }
            fields.append((name, value))
        }
        return fields
    }

    /// RFC 9110, section 5.6.2.
    private static func isOfToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
