import NIOCore

/// How much one client may have done in one turn of its event loop, before the others have theirs: counted over
/// everything that it sends, WebSocket frames and STOMP frames alike. Pure.
struct Turn {
    /// Frames of a turn at most.
    static let framesMax = 256
    /// Time of a turn at most: frames differ in what they cost.
    static let timeMax = TimeAmount.microseconds(300)
    private var frames = 0
    private var began: NIODeadline?

    /// Something of the client's was dealt with. Returns whether there is time for more. The first one is not timed.
    mutating func spend() -> Bool {
        frames += 1
        guard frames < Self.framesMax else { return false }
        let now = NIODeadline.now()
        guard let began else {
            began = now
            return true
        }
        return now - began < Self.timeMax
    }

    /// The next turn begins.
    mutating func reset() {
        frames = 0
        began = nil
    }
}
