import Foundation

/// The wall clock as spans have it.
public enum SpanClock {
    /// Nanoseconds since 1970.
    public static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
