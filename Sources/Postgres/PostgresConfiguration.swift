import CLibpq

/// Where and as whom to connect. Its descriptions hold no password.
public struct PostgresConfiguration: Sendable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// Whether named statements are prepared. A pooler in transaction mode may ask for false, which the URL's
    /// `belfry_prepare=off` sets.
    public var preparesStatements: Bool
    /// The time a statement may take, from its sending to its last row; over it the connection is dropped. nil: no end,
    /// for those that wait for a lock.
    public var statementTimeout: Duration?
    /// PostgreSQL settings that each session starts with, by name; those in the URL's `options` win. A pooler that
    /// refuses them at the start of a session gets none. Values must need no quoting. The search path is none of them:
    /// it is `pg_catalog, pg_temp` in every session, whatever URL and pooler say, so that statements qualify the rest.
    public var sessionSettings: [String: String] = [:]
    /// Told of NOTICE and the like, on the connection's thread.
    public var onNotice: (@Sendable (PostgresNotice) -> Void)?

    /// libpq's keywords with their values, the password among them.
    let ownOptions: [String: String]

    /// The same with the session's settings. The path comes last, so that neither the URL nor PGOPTIONS sets another.
    var options: [String: String] {
        var options = ownOptions
        let settings = sessionSettings.sorted { $0.key < $1.key }.map { "-c \($0.key)=\($0.value)" }
        options["options"] = (settings + [sessionOptions].compactMap(\.self) + [SearchPath.startupOption])
            .joined(separator: " ")
        return options
    }

    /// Used where neither the URL nor the environment says otherwise.
    private static let defaults = [
        "connect_timeout": "5",  // seconds a host
        "keepalives": "1",
        "keepalives_idle": "10",  // seconds
        "keepalives_interval": "5",  // seconds
        "keepalives_count": "3",
        "tcp_user_timeout": "15000",  // milliseconds without an ACK of TCP
    ]

    /// - Parameters:
    ///   - url: `postgresql://user:password@host:port/database?option=value`, or libpq's `key=value …`; what it leaves
    ///     out comes from PGHOST, PGPASSWORD, … and libpq's defaults.
    ///   - applicationName: shown in `pg_stat_activity`, unless the URL names another.
    /// - Throws: `.invalidConfiguration`.
    public init(url: String, applicationName: String) throws(PostgresError) {
        let (text, prepares) = try Self.takingPrepare(from: url)
        var options = try ConnectionString.parse(text)
        var environment = ConnectionString.environment
        environment.merge(options) { $1 }
        for (keyword, value) in Self.defaults where environment[keyword] == nil { options[keyword] = value }
        options["fallback_application_name"] = applicationName
        options["client_encoding"] = "UTF8"
        ownOptions = options
        sessionOptions = environment["options"]
        preparesStatements = prepares
        let shown = ["host", "hostaddr", "port", "user", "dbname", "service"]
        address = Address(shown.reduce(into: [:]) { $0[$1] = environment[$1] })
        connectSeconds = environment["connect_timeout"].flatMap { Int($0) } ?? 5
        userTimeoutSeconds = (environment["tcp_user_timeout"].flatMap { Int($0) } ?? 0) / 1_000
    }

    /// What the URL or the environment says of `options`.
    private let sessionOptions: String?
    private let address: Address
    private let connectSeconds: Int
    private let userTimeoutSeconds: Int

    /// Host, port, database and user as a URL; never the password.
    public var redactedDescription: String { address.description }
    public var description: String { redactedDescription }
    public var debugDescription: String { redactedDescription }
    public var customMirror: Mirror { Mirror(self, children: ["address": redactedDescription]) }

    /// The time for a whole try to connect. A host that swallows packets gives way to the next of several by
    /// tcp_user_timeout, which the kernel applies to connect(2) too.
    var connectTimeout: Duration? {
        guard connectSeconds > 0 else { return nil }
        guard address.hostCount > 1 else { return .seconds(connectSeconds) }
        return .seconds(address.hostCount * max(connectSeconds, userTimeoutSeconds))
    }

    /// libpq knows no `belfry_prepare`, so it is taken out first.
    private static func takingPrepare(from url: String) throws(PostgresError) -> (text: String, prepares: Bool) {
        let name = "belfry_prepare="
        guard let found = url.firstRange(of: name) else { return (url, true) }
        let value = url[found.upperBound...].prefix { $0 != "&" && !$0.isWhitespace && $0 != "#" }
        let before = url[..<found.lowerBound]
        guard value == "on" || value == "off", before.last.map({ "?& ".contains($0) }) ?? true else {
            throw PostgresError(.invalidConfiguration, "belfry_prepare in the PostgreSQL URL is neither on nor off.")
        }
        let after = url[value.endIndex...]
        // The separator behind it goes with it, or else the one before it.
        let text = after.isEmpty ? String(before.dropLast()) : String(before + after.dropFirst())
        return (text, value == "on")
    }
}

/// The parts of a connection's address that anyone may read.
private struct Address: Sendable, CustomStringConvertible {
    let description: String
    let hostCount: Int

    init(_ parts: [String: String]) {
        func part(_ keyword: String) -> String? { parts[keyword].flatMap { $0.isEmpty ? nil : $0 } }
        let user = part("user").map { "\($0)@" } ?? ""
        let hosts = (part("host") ?? part("hostaddr") ?? "").split(separator: ",", omittingEmptySubsequences: false)
        let ports = (part("port") ?? "5432").split(separator: ",", omittingEmptySubsequences: false)
        let places = hosts.enumerated().map { index, host in
            let name = host.isEmpty ? "local socket" : String(host)
            return "\(name):\(index < ports.count ? ports[index] : ports.last ?? "5432")"
        }
        let service = part("service").map { " (service \($0))" } ?? ""
        hostCount = hosts.count
        description =
            "postgresql://\(user)\(places.joined(separator: ","))/\(part("dbname") ?? part("user") ?? "")\(service)"
    }
}
