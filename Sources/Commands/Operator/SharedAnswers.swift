/// Answers that all who ask at the same time share: many consoles cost PostgreSQL no more than one.
actor SharedAnswers {
    private struct Entry {
        let task: Task<String, any Error>
        var freshUntil: ContinuousClock.Instant?
    }

    /// Names that are asked for are few: views, and one of them with a number up to 60.
    private var entries: [String: Entry] = [:]

    /// The answer to a question, made now or a moment ago. One that failed is given to those who were waiting for it.
    ///
    /// - Parameter freshFor: how long it is given from when it was made.
    func answer(
        _ key: String, freshFor time: Duration, _ make: @escaping @Sendable () async throws -> String
    ) async throws -> String {
        if let entry = entries[key], entry.freshUntil.map({ $0 > .now }) ?? true { return try await entry.task.value }
        let task = Task { try await make() }
        entries[key] = Entry(task: task)
        do {
            let answer = try await task.value
            entries[key]?.freshUntil = .now + time
            return answer
        } catch {
            entries[key] = nil
            throw error
        }
    }
}
