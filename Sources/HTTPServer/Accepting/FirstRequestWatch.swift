import DequeModule
import NIOCore

/// Ends the connections of one event loop whose first request takes too long. All have the same time for it, so they
/// are due in the order in which they came, and no connection needs a timer.
///
/// Used on its event loop only.
final class FirstRequestWatch: @unchecked Sendable {
    /// The pause between two looks while somebody is waited for.
    private static let lookPause = TimeAmount.milliseconds(250)

    private let eventLoop: any EventLoop
    private let timeout: TimeAmount
    private var isLookScheduled = false
    private var waiting: [ObjectIdentifier: (deadline: NIODeadline, channel: any Channel)] = [:]
    /// In the order of the deadlines; those whose request has come are still in there.
    private var order: Deque<(deadline: NIODeadline, id: ObjectIdentifier)> = []

    /// - Parameter timeout: from the connection to the end of its first request's head. What comes after has deadlines
    ///   of its own.
    init(eventLoop: any EventLoop, timeout: TimeAmount) {
        self.eventLoop = eventLoop
        self.timeout = timeout
    }

    /// A connection is there.
    func began(_ channel: any Channel, at now: NIODeadline) {
        let deadline = now + timeout
        waiting[ObjectIdentifier(channel)] = (deadline, channel)
        order.append((deadline, ObjectIdentifier(channel)))
        scheduleLook()
    }

    /// Its first request has come, or it has ended.
    func ended(_ channel: any Channel) { waiting[ObjectIdentifier(channel)] = nil }

    private func scheduleLook() {
        guard !isLookScheduled, !order.isEmpty else { return }
        isLookScheduled = true
        eventLoop.scheduleTask(in: Self.lookPause) {
            self.isLookScheduled = false
            self.tick(at: self.eventLoop.now)
            self.scheduleLook()
        }
    }

    /// Time has passed: closes those that are over it.
    func tick(at now: NIODeadline) {
        while let first = order.first, first.deadline <= now {
            order.removeFirst()
            // Another channel may have the place in memory of one that is gone: its time is a later one.
            guard let entry = waiting[first.id], entry.deadline <= now else { continue }
            waiting[first.id] = nil
            entry.channel.close(promise: nil)
        }
    }
}
