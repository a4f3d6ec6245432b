/// Why webhooks can't be signed or sent, for the operator; no part of a secret.
public struct WebhookProblem: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
