import STOMP

extension Headers {
    /// What only the client itself can say of its frames.
    private static let own: Set<String> = [
        "id", "destination", "ack", "receipt", "correlation-id", "transaction", "content-length", "last-message-id",
    ]

    /// Adds headers of the program's, but for those that the client says itself.
    mutating func append(further: [String: String]) {
        for (name, value) in further.sorted(by: { $0.key < $1.key }) where !Self.own.contains(name) {
            append(name, value)
        }
    }
}
