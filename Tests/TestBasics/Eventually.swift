/// What did not come true in time.
public struct NotInTime: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

/// Waits until `condition` gives a value, looking every few milliseconds.
///
/// - Throws: `NotInTime` naming `what`, and where it was waited for, after `limit`.
public func eventually<Value>(
    _ what: String, within limit: Duration = .seconds(20), isolation: isolated (any Actor)? = #isolation,
    file: String = #fileID, line: Int = #line, _ condition: () async throws -> Value?
) async throws -> Value {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while true {
        if let value = try await condition() { return value }
        guard clock.now < deadline else {
            throw NotInTime(description: "Not within \(limit) at \(file):\(line): \(what)")
        }
        try await Task.sleep(for: .milliseconds(3))
    }
}

/// Waits until `condition` is true.
public func eventually(
    _ what: String, within limit: Duration = .seconds(20), isolation: isolated (any Actor)? = #isolation,
    file: String = #fileID, line: Int = #line, _ condition: () async throws -> Bool
) async throws {
    let _: Void = try await eventually(what, within: limit, file: file, line: line) {
        try await condition() ? () : nil
    }
}

/// Whether `condition` comes true within `limit`, for a test that has more to say when it does not.
public func isEventually(
    within limit: Duration = .seconds(20), isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while try await !condition() {
        guard clock.now < deadline else { return false }
        try? await Task.sleep(for: .milliseconds(3))
    }
    return true
}
