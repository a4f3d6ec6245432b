import DequeModule

/// Messages between the event loop and the one task that takes them.
///
/// `Waiter` is the task that found none and waits.
struct MessageBufferMachine<Element, Waiter>: ~Copyable {
    enum NextAction {
        case take(Element)
        case wait
        /// There will be no more; the error is told once.
        case end((any Error)?)
        /// Another task waits already.
        case refuse
    }

    private enum State {
        case open(Waiter?)
        /// No more come. What came before is still handed over.
        case finished((any Error)?)
        /// The program wants no more.
        case cancelled
    }

    private var state = State.open(nil)
    private var elements = Deque<Element>()

    /// A message came.
    ///
    /// - Returns: who waits for it; else it is kept, or dropped when the program wants no more.
    mutating func received(_ element: Element) -> Waiter? {
        switch state {
        case .open(let waiter?):
            state = .open(nil)
            return waiter
        case .open(nil):
            elements.append(element)
            return nil
        case .finished, .cancelled: return nil
        }
    }

    /// The task asks for a message, and can be woken as `waiter`.
    mutating func next(_ waiter: Waiter) -> NextAction {
        if let element = elements.popFirst() { return .take(element) }
        switch state {
        case .open(nil):
            state = .open(waiter)
            return .wait
        case .open: return .refuse
        case .finished(let error):
            state = .finished(nil)
            return .end(error)
        case .cancelled: return .end(nil)
        }
    }

    /// No more will come.
    ///
    /// - Returns: who waits, to be told so.
    mutating func finished(_ error: (any Error)?) -> Waiter? {
        switch state {
        case .open(let waiter?):
            state = .finished(nil)
            return waiter
        case .open(nil):
            state = .finished(error)
            return nil
        case .finished, .cancelled: return nil
        }
    }

    /// The program wants no more.
    ///
    /// - Returns: who waits, and what was not taken.
    mutating func cancelled() -> (waiter: Waiter?, dropped: [Element]) {
        let waiter: Waiter? = if case .open(let waiter) = state { waiter } else { nil }
        state = .cancelled
        defer { elements.removeAll() }
        return (waiter, Array(elements))
    }
}
