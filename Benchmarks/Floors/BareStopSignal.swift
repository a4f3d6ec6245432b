import Glibc

/// Tells a thread that sleeps in poll(2) to end: a pipe that becomes readable.
public final class BareStopSignal: Sendable {
    /// Readable once `send` was called.
    public let descriptor: Int32
    private let writeEnd: Int32

    public init() throws(BareError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw BareError("There is no descriptor left: pipe failed.") }
        // The programs that are measured are children, and have no use for them.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        descriptor = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(descriptor)
        close(writeEnd)
    }

    /// Makes the descriptor readable, for good.
    public func send() {
        var byte: UInt8 = 1
        _ = write(writeEnd, &byte, 1)
    }
}
