/// Why a scenario could not be measured, as a sentence.
struct BenchmarkError: Error, CustomStringConvertible, Sendable {
    let description: String

    /// - Parameter description: what went wrong and what would be right.
    init(_ description: String) { self.description = description }
}
