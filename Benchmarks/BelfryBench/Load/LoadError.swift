import Glibc

/// Why the load generator could not do its work, or what a server did wrong, as a sentence.
struct LoadError: Error, CustomStringConvertible, Sendable {
    let description: String

    /// - Parameter description: what went wrong.
    init(_ description: String) { self.description = description }

    /// What `errno` says.
    static var lastReason: String { String(cString: strerror(errno)) }
}
