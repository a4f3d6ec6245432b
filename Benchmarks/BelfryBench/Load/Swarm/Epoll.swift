import CLinux
import Glibc

/// The kernel's list of sockets with something to do (epoll(7)), level-triggered.
struct Epoll: ~Copyable {
    private static let eventsMax = 512

    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>

    init() throws(LoadError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw LoadError("No epoll instance: \(LoadError.lastReason).") }
        events = .allocate(capacity: Self.eventsMax)
    }

    deinit {
        events.deallocate()
        close(descriptor)
    }

    /// Watches a socket for bytes to read, and for room to write when asked.
    func add(_ socket: Int32, number: Int, writable: Bool) { control(EPOLL_CTL_ADD, socket, number, writable) }

    /// Changes whether room to write is of interest.
    func change(_ socket: Int32, number: Int, writable: Bool) { control(EPOLL_CTL_MOD, socket, number, writable) }

    private func control(_ operation: Int32, _ socket: Int32, _ number: Int, _ writable: Bool) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | (writable ? EPOLLOUT.rawValue : 0)
        event.data.u64 = UInt64(number)
        _ = epoll_ctl(descriptor, operation, socket, &event)
    }

    /// Waits until a socket has something to do, `milliseconds` at most, and tells of each by the number it was added
    /// with.
    func wait(milliseconds: Int32, _ body: (_ number: Int, _ writable: Bool, _ readable: Bool) -> Void) {
        let count = epoll_wait(descriptor, events, Int32(Self.eventsMax), milliseconds)
        guard count > 0 else { return }
        for place in 0..<Int(count) {
            let flags = events[place].events
            body(Int(events[place].data.u64), flags & EPOLLOUT.rawValue != 0, flags & ~EPOLLOUT.rawValue != 0)
        }
    }
}

/// Timers of the calling thread that end within a microsecond of their time, instead of the default 50.
func usePreciseTimers() { linux_use_precise_timers() }
