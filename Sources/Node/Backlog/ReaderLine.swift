import DequeModule

/// Consumers that wait for a page of their backlogs, in their order. Used on its event loop only.
struct ReaderLine {
    private var waiting: Deque<Consumer> = []
    /// Of them, those that have ended, at most.
    private var endedCount = 0

    var isEmpty: Bool { waiting.isEmpty }
    var count: Int { waiting.count }

    mutating func add(_ consumer: Consumer) { waiting.append(consumer) }

    mutating func popFirst() -> Consumer? { waiting.popFirst() }

    /// Somebody in line has ended. Those that have are taken out now and then, as a reading may hang and clients may
    /// come and go meanwhile.
    mutating func ended() {
        endedCount += 1
        guard endedCount > 64, endedCount > waiting.count / 2 else { return }
        waiting.removeAll { $0.isEnded }
        endedCount = 0
    }
}
