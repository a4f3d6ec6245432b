import HTTPTypes

extension HTTPField.Name {
    /// The IETF's draft "The Idempotency-Key HTTP Header Field".
    static var idempotencyKey: HTTPField.Name { named("Idempotency-Key") }
    /// RFC 8288, section 3.
    static var link: HTTPField.Name { named("Link") }

    /// - Parameter name: a token (RFC 9110, section 5.6.2).
    private static func named(_ name: StaticString) -> HTTPField.Name {
        guard let name = HTTPField.Name("\(name)") else { preconditionFailure("'\(name)' is no token.") }
        return name
    }
}
