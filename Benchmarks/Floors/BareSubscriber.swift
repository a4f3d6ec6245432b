import Foundation
import Glibc
import Synchronization

/// The least subscriber: a thread in hiredis' SUBSCRIBE that hands each message on, with the time at which it was read.
public final class BareSubscriber: Sendable {
    private let redis: BareRedis
    private let isStopping = Atomic<Bool>(false)
    private let failure = Mutex<BareError?>(nil)
    private let ended = DispatchSemaphore(value: 0)

    /// Subscribes; returns when Redis has answered.
    ///
    /// - Parameters:
    ///   - channels: one or more.
    ///   - onMessage: on the subscriber's thread: the message's bytes, which end with the call, and the monotonic clock
    ///     in nanoseconds just after it was read.
    public init(
        redisURL: String, channels: [String],
        onMessage: @escaping @Sendable (UnsafeBufferPointer<CChar>, Int64) -> Void
    ) throws(BareError) {
        let redis = try BareRedis(url: redisURL)
        redis.append(["SUBSCRIBE"] + channels)
        for _ in channels { try redis.nextReply { _ in } }
        self.redis = redis
        Thread.detachNewThread { [self] in
            do throws(BareError) {
                while true { try redis.nextReply { onMessage($0, BareClock.nanoseconds) } }
            } catch {
                if !isStopping.load(ordering: .relaxed) { failure.withLock { $0 = error } }
            }
            ended.signal()
        }
    }

    /// Ends the thread, waits for that, and throws what it failed of.
    public func stop() throws(BareError) {
        isStopping.store(true, ordering: .relaxed)
        redis.interrupt()
        ended.wait()
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

/// The monotonic clock.
public enum BareClock {
    /// Nanoseconds since some start of its own.
    public static var nanoseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Sleeps until this clock shows `nanoseconds`; returns at once when it already does.
    public static func sleep(until nanoseconds: Int64) {
        var time = timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }

    /// Nanoseconds of processor time that the calling thread has used.
    public static var threadNanoseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
