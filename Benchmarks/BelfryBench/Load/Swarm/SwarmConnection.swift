/// One connection of a swarm, in memory of the swarm's own: nothing is allocated or counted per message.
struct SwarmConnection {
    enum State: UInt8 {
        case unopened, connecting, upgrading, greeting, ready, closed
    }

    var socket: Int32 = -1
    var state = State.unopened
    /// The step of the greeting whose answer is awaited.
    var step: UInt8 = 0
    var isWaitingToWrite = false
    /// Messages received.
    var received = 0
    /// The beginning of a frame whose end has not arrived.
    var inbound = ByteStore()
    /// What the socket did not take yet.
    var outbound = ByteStore()
}
