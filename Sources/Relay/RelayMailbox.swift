import Synchronization

/// What other threads tell the loop: kept until it looks, and a reason to wake up.
final class RelayMailbox: Sendable {
    /// What came since the last look.
    struct Contents: Hashable, Sendable {
        var hasRung = false
        var isListening: Bool?
        var foundAwake = false
        var isStopping = false
        /// The term whose connection has ended.
        var lostTerm: Int64?
    }

    private let contents = Mutex(Contents())
    private let signal = WakeSignal()

    func rang() { put { $0.hasRung = true } }

    func listeningChanged(_ isListening: Bool) { put { $0.isListening = isListening } }

    func doorbellFoundAwake() { put { $0.foundAwake = true } }

    func stop() { put { $0.isStopping = true } }

    func connectionLost(term: Int64) { put { $0.lostTerm = term } }

    func take() -> Contents {
        contents.withLock { contents in
            defer { contents = Contents() }
            return contents
        }
    }

    /// Returns at the next message, or at once if one is there, or when the time is up.
    func wait(upTo duration: Duration) async {
        if contents.withLock({ $0 != Contents() }) { return }
        _ = await signal.wait(upTo: duration)
    }

    private func put(_ change: (inout Contents) -> Void) {
        contents.withLock { change(&$0) }
        signal.signal()
    }
}
