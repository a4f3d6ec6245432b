import ArgumentParser

/// The statuses that `belfry.message_log` knows, as options name them.
enum MessageStatuses {
    private static let all = ["pending", "delivered", "expired", "cancelled", "parked"]
    static let list = all.joined(separator: ", ")

    /// The status that was given with `--status`.
    static func checked(_ status: String?) throws -> String? {
        guard let status else { return nil }
        guard all.contains(status) else { throw ValidationError("--status must be one of \(list), not '\(status)'.") }
        return status
    }
}
