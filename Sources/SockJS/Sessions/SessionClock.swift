import BelfryModel
import NIOCore

/// When a session's client is to be sent a heart-beat, and when it is given up. Pure.
struct SessionClock {
    private let heartBeat: TimeAmount
    private let disconnectDelay: TimeAmount
    /// The next deadline that there is.
    private(set) var deadline: NIODeadline

    /// A session begins, or at least a request that may begin it.
    init(settings: SockJSSettings, now: NIODeadline) {
        heartBeat = TimeAmount(settings.heartBeat)
        disconnectDelay = TimeAmount(settings.disconnectDelay)
        deadline = now + disconnectDelay
    }

    /// A request is there to be answered, or was sent a frame.
    mutating func isAnswering(at now: NIODeadline) { deadline = now + heartBeat }

    /// No request is there any more.
    mutating func isWaiting(at now: NIODeadline) { deadline = now + disconnectDelay }
}
