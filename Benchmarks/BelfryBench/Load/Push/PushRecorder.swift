import Synchronization

/// What a swarm's callback notes of the messages: whether each is what was sent and comes in order, and how long it
/// took.
///
/// Unchecked: the samples are touched by the one thread of the swarm while messages arrive, and by the measuring task
/// when none are under way.
final class PushRecorder: @unchecked Sendable {
    private static let samplesMax = 4_000_000

    private let payload: Payload
    private let isContiguous: Bool
    private let lastNumbers: UnsafeMutablePointer<Int>
    private let sessions: Int
    private let samples: UnsafeMutablePointer<UInt32>
    private var sampleCount = 0
    private let isSampling = Atomic<Bool>(false)
    private let wrong = Atomic<Int>(0)
    private let looked = Atomic<Int>(0)

    /// - Parameters:
    ///   - sessions: connections, numbered from 0.
    ///   - isContiguous: every session gets every message, so that none may be missing between two.
    init(sessions: Int, bodyBytes: Int, isContiguous: Bool) {
        payload = Payload(length: bodyBytes)
        self.sessions = sessions
        self.isContiguous = isContiguous
        lastNumbers = .allocate(capacity: sessions)
        lastNumbers.initialize(repeating: -1, count: sessions)
        samples = .allocate(capacity: Self.samplesMax)
    }

    deinit {
        lastNumbers.deallocate()
        samples.deallocate()
    }

    /// The swarm's callback.
    func received(_ session: Int, _ body: UnsafeRawBufferPointer, _ readAt: UInt64) {
        looked.add(1, ordering: .relaxed)
        guard session < sessions, payload.matches(body), let number = Payload.number(in: body) else {
            wrong.add(1, ordering: .relaxed)
            return
        }
        let last = lastNumbers[session]
        if number <= last || (isContiguous && last >= 0 && number != last + 1) { wrong.add(1, ordering: .relaxed) }
        lastNumbers[session] = number
        guard isSampling.load(ordering: .relaxed), sampleCount < Self.samplesMax,
            let sent = Payload.sentNanoseconds(in: body)
        else { return }
        samples[sampleCount] = UInt32(clamping: readAt - min(sent, readAt))
        sampleCount += 1
    }

    /// Forgets earlier samples and takes new ones.
    func startSampling() {
        sampleCount = 0
        isSampling.store(true, ordering: .sequentiallyConsistent)
    }

    /// The latencies since `startSampling` in microseconds.
    func stopSampling() -> [Double] {
        isSampling.store(false, ordering: .sequentiallyConsistent)
        return (0..<sampleCount).map { Double(samples[$0]) / 1_000 }
    }

    /// Throws when a message was not what was sent, or came twice, late or not at all.
    func check() throws {
        let count = wrong.load(ordering: .sequentiallyConsistent)
        guard count == 0 else {
            throw LoadError(
                "\(count) of \(looked.load(ordering: .relaxed)) messages looked at were not as sent, or not in order.")
        }
        guard looked.load(ordering: .relaxed) > 0 else { throw LoadError("No message was looked at.") }
    }
}
