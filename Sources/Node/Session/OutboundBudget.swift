import BelfryModel
import NIOCore

/// When a client that reads slowly is given up: a pure function of bytes and time.
///
/// Over `Limits.outboundBytesMax` at once; over a quarter of it, once that has lasted for `graceSeconds`.
struct OutboundBudget {
    /// Seconds for which a client may stay over a quarter of the limit.
    static let graceSeconds: Int64 = 30

    private var overSince: NIODeadline?

    /// When to ask again if nothing is sent before; `nil` while the client takes its bytes.
    var deadline: NIODeadline? { overSince.map { $0 + .seconds(Self.graceSeconds) + .nanoseconds(1) } }

    /// Whether a client with `waitingBytes` unsent at `now` is to be closed.
    mutating func isExceeded(waitingBytes: Int, limits: Limits, now: NIODeadline) -> Bool {
        if waitingBytes > limits.outboundBytesMax { return true }
        guard waitingBytes > limits.outboundBytesMax / 4 else {
            overSince = nil
            return false
        }
        guard let since = overSince else {
            overSince = now
            return false
        }
        return now - since > .seconds(Self.graceSeconds)
    }
}
