import Glibc

/// Why the load generator could not do its work, or what a server did wrong, as a sentence.
public struct LoadError: Error, CustomStringConvertible, Sendable {
    public let description: String

    /// - Parameter description: what went wrong.
    public init(_ description: String) { self.description = description }

    /// What `errno` says.
    static var lastReason: String { String(cString: strerror(errno)) }
}
