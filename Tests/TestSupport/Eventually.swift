/// What did not come true in time.
public struct NotInTime: Error, CustomStringConvertible {
    public let description: String
}

/// Waits until `condition` gives a value, looking every few milliseconds.
///
/// - Throws: `NotInTime` naming `what` after `limit`.
public func eventually<Value>(
    _ what: String, within limit: Duration = .seconds(20), isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Value?
) async throws -> Value {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while true {
        if let value = try await condition() { return value }
        guard clock.now < deadline else { throw NotInTime(description: "Not within \(limit): \(what)") }
        try await Task.sleep(for: .milliseconds(3))
    }
}

/// Waits until `condition` is true.
public func eventually(
    _ what: String, within limit: Duration = .seconds(20), isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Bool
) async throws {
    let _: Void = try await eventually(what, within: limit) { try await condition() ? () : nil }
}
