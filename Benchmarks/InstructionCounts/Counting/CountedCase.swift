/// A fixed piece of work whose processor instructions are counted.
public struct CountedCase {
    /// The part and what it does, say `stomp/decode-ack`; the key in `docs/performance/instruction-counts.json`.
    public let name: String
    /// What every iteration answers: a wrong result has no cost.
    public let answer: Int
    /// Makes all that so many iterations need, outside of the count. What it returns does the work of the n-th one.
    public let prepare: (_ iterations: Int) throws -> (Int) throws -> Int

    /// - Parameters:
    ///   - name: the part and what it does.
    ///   - answer: what every iteration answers.
    ///   - prepare: gets how many iterations may follow, and returns their work; iterations are numbered from 0.
    public init(_ name: String, answer: Int, prepare: @escaping (_ iterations: Int) throws -> (Int) throws -> Int) {
        self.name = name
        self.answer = answer
        self.prepare = prepare
    }
}

/// Why a case could not be counted, as a sentence.
public struct CountingError: Error, CustomStringConvertible, Sendable {
    public let description: String

    /// - Parameter description: what went wrong.
    public init(_ description: String) { self.description = description }
}
