/// How the application is told, by webhooks, of messages that are not delivered. What is escalated, when and where to,
/// stands in `belfry.escalation_rule`.
public struct EscalationPolicy: Hashable, Sendable {
    /// What webhooks are signed with: `whsec_` and base64; two, with a comma in between, while one replaces the other.
    public var secret: String?
    /// A file with the same, a line each.
    public var secretFile: String?
    /// What URLs must begin with; empty for any by https.
    public var allowedURLs: [String] = []
    /// Tries of one webhook, before it is given up.
    public var attemptsMax = 20
    /// From a request to the head of its answer.
    public var timeout: Duration = .seconds(10)
    /// After the first failure; it doubles with each further one, to an hour at most.
    public var retryPause: Duration = .seconds(10)
    /// Webhooks under way to one server.
    public var connectionsMax = 8

    public init() {}
}

/// Printed, it shows no secret.
extension EscalationPolicy: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "EscalationPolicy(…)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
