import BelfryModel
import Synchronization

/// What a process notes of the messages that are traced: decides of which, and keeps it until it is written. Shared by
/// relay and workers; any thread may ask.
///
/// For a message that is not traced there is `mayWant`, a few instructions, and nothing else.
public final class TraceRecorder: Sendable {
    /// That some message is traced, and whose trace its application records.
    public struct Choice: Sendable {
        public let reason: TraceReason
        /// The application's, if it is sampled.
        public let parent: TraceParent?

        public init(_ reason: TraceReason, parent: TraceParent? = nil) {
            self.reason = reason
            self.parent = parent
        }
    }

    /// Notes nothing.
    public static let off = TraceRecorder(.off)

    /// Whether anything is noted at all.
    public let isOn: Bool
    private let keepsHops: Bool
    private let sample: Int64
    /// Milliseconds from which on a message is slow.
    private let slowMilliseconds: Int64
    private let spans: (any MessageSpans)?
    private let isWatching = Atomic<Bool>(false)
    private let watches = Mutex(WatchList())
    private let buffer = Mutex(HopBuffer(now: .now))

    /// - Parameter spans: where the spans of messages go that their applications trace.
    public init(_ settings: TraceSettings, spans: (any MessageSpans)? = nil) {
        keepsHops = settings.isOn
        isOn = settings.isOn || spans != nil
        sample = settings.isOn ? Int64(settings.sample) : 0
        slowMilliseconds =
            settings.isOn && settings.slowerThan > .zero ? Int64(settings.slowerThan / .milliseconds(1)) : .max
        self.spans = spans
    }

    // MARK: Of which messages

    /// Whether a message may be one that is traced: what is asked of each. If so, `choice` decides.
    public func mayWant(_ id: MessageID, hasHeaders: Bool) -> Bool {
        isOn && (hasHeaders || isSampled(id) || isWatching.load(ordering: .relaxed))
    }

    /// Whether it is a message's turn.
    public func isSampled(_ id: MessageID) -> Bool { sample != 0 && id.rawValue % sample == 0 }

    /// Whether a message has taken too long.
    public func isSlow(ageMilliseconds: Int64) -> Bool { ageMilliseconds >= slowMilliseconds }

    /// Whether spans are made.
    public var makesSpans: Bool { spans != nil }

    /// Whether ages are looked at.
    public var looksAtAges: Bool { slowMilliseconds != .max }

    /// Whether one more slow message may be traced, of a few in a second.
    public func takesSlow() -> Bool { buffer.withLock { $0.takesSlow(now: .now) } }

    /// Whether and why a message is traced.
    ///
    /// - Parameters:
    ///   - headerLines: as on the wire.
    ///   - receiver: `nil` for a broadcast.
    ///   - body: its JSON body.
    public func choice(
        of id: MessageID, headerLines: UnsafeRawBufferPointer, receiver: String?, body: UnsafeRawBufferPointer
    ) -> Choice? {
        if !headerLines.isEmpty, let parent = TraceParent(sampledInHeaderLines: headerLines) {
            return Choice(.asked, parent: parent)
        }
        guard keepsHops else { return nil }
        if isWatching.load(ordering: .relaxed), watches.withLock({ $0.holds(receiver: receiver, body: body) }) {
            return Choice(.watch)
        }
        return isSampled(id) ? Choice(.sample) : nil
    }

    // MARK: What is noted

    /// Notes what was done with a message, if there is room: else its details are not even made.
    public func note(
        _ id: MessageID, _ what: Hop.What, _ reason: TraceReason, at time: ContinuousClock.Instant = .now,
        _ details: @autoclosure () -> [(name: String, value: String)] = []
    ) {
        guard keepsHops, buffer.withLock({ $0.hasRoom(for: reason) }) else { return }
        let hop = Hop(id, what, reason, at: time, details())
        buffer.withLock { $0.add(hop) }
    }

    /// Hands on a span, if spans are wanted.
    public func add(_ span: @autoclosure () -> MessageSpan) {
        if let spans { spans.add(span()) }
    }

    // MARK: For the writer

    func watch(_ list: WatchList) {
        watches.withLock { $0 = list }
        isWatching.store(!list.isEmpty && keepsHops, ordering: .relaxed)
    }

    func take(_ count: Int) -> (hops: [Hop], dropped: Int) { buffer.withLock { $0.take(count) } }
    func putBack(_ hops: [Hop]) { buffer.withLock { $0.putBack(hops) } }
}
