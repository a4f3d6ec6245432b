import Foundation
import Glibc
import Synchronization

/// One thread of a swarm with its share of the connections.
///
/// Unchecked: everything but the atomics and the failure is touched on its thread only; the counts of connections also
/// by whoever asks once the thread has ended.
final class SwarmLoop: @unchecked Sendable {
    static let bufferBytes = 512 * 1024

    let configuration: SwarmConfiguration
    /// The number of its first connection.
    let firstNumber: Int
    let count: Int

    /// Messages of all connections, brought up to date once a turn.
    let received = Atomic<Int>(0)
    let heartBeatsReceived = Atomic<Int>(0)
    let readyCount = Atomic<Int>(0)
    /// When the last connection was ready, in nanoseconds of `MonotonicClock`.
    let readyAt = Atomic<UInt64>(0)
    let isStopping = Atomic<Bool>(false)
    let hasEnded = Atomic<Bool>(false)
    private let firstFailure = Mutex<LoadError?>(nil)

    let connections: UnsafeMutablePointer<SwarmConnection>
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: SwarmLoop.bufferBytes, alignment: 16)
    let epoll: Epoll
    var frames = ClientFrames()
    var opened = 0
    var greetings = 0
    /// When the bytes being dealt with were read; 0 when nobody asks.
    var readAt: UInt64 = 0
    var receivedNow = 0
    var heartBeatsNow = 0
    private var heartBeatsBegan: UInt64 = 0
    private var heartBeatsSent = 0

    init(_ configuration: SwarmConfiguration, firstNumber: Int, count: Int) throws(LoadError) {
        epoll = try Epoll()
        self.configuration = configuration
        self.firstNumber = firstNumber
        self.count = count
        connections = .allocate(capacity: max(1, count))
        connections.initialize(repeating: SwarmConnection(), count: count)
    }

    deinit {
        for place in 0..<count {
            connections[place].inbound.release()
            connections[place].outbound.release()
        }
        connections.deallocate()
        buffer.deallocate()
    }

    /// What went wrong first, if anything.
    var failure: LoadError? { firstFailure.withLock { $0 } }

    func start() {
        let thread = Thread { self.run() }
        thread.name = "swarm"
        thread.start()
    }

    private func run() {
        heartBeatsBegan = MonotonicClock.nanoseconds
        let pause: Int32 = configuration.heartBeatMilliseconds > 0 ? 20 : 50
        while !isStopping.load(ordering: .relaxed) {
            openMore()
            epoll.wait(milliseconds: pause) { place, isWritable, isReadable in
                if isWritable { becameWritable(place) }
                if isReadable { read(place) }
            }
            sendHeartBeats()
            received.store(receivedNow, ordering: .releasing)
            heartBeatsReceived.store(heartBeatsNow, ordering: .relaxed)
        }
        for place in 0..<count where connections[place].socket >= 0 {
            close(connections[place].socket)
            connections[place].socket = -1
        }
        hasEnded.store(true, ordering: .releasing)
    }

    // MARK: Reading and writing

    private func read(_ place: Int) {
        let connection = connections + place
        guard connection.pointee.socket >= 0, connection.pointee.state != .connecting else { return }
        let kept = connection.pointee.inbound.count
        if kept > 0, let base = connection.pointee.inbound.base { memcpy(buffer, base, kept) }
        guard kept < Self.bufferBytes else { return fail(place, "sent a frame of over \(Self.bufferBytes) bytes") }
        let count = recv(
            connection.pointee.socket, buffer + kept, Self.bufferBytes - kept, Int32(MSG_DONTWAIT))
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            return fail(place, count == 0 ? "closed the connection" : "broke the connection: \(LoadError.lastReason)")
        }
        readAt = configuration.onMessage == nil ? 0 : MonotonicClock.nanoseconds
        frames.clear()
        let total = kept + count
        let used = consume(place, UnsafeRawBufferPointer(start: buffer, count: total))
        guard connection.pointee.socket >= 0 else { return }
        connection.pointee.inbound.keep(buffer + used, total - used)
        sendFrames(place)
    }

    /// Sends what was gathered in `frames`; what the socket does not take is sent when it has room.
    func sendFrames(_ place: Int) {
        guard frames.count > 0 else { return }
        let connection = connections + place
        guard connection.pointee.outbound.count == 0 else {
            return connection.pointee.outbound.append(frames.base, frames.count)
        }
        let sent = Glibc.send(connection.pointee.socket, frames.base, frames.count, Self.sendFlags)
        guard sent < frames.count else { return }
        guard sent >= 0 || errno == EAGAIN else {
            return fail(place, "broke the connection: \(LoadError.lastReason)")
        }
        let taken = max(0, sent)
        connection.pointee.outbound.append(frames.base + taken, frames.count - taken)
        waitToWrite(place, true)
    }

    private func becameWritable(_ place: Int) {
        let connection = connections + place
        guard connection.pointee.socket >= 0 else { return }
        if connection.pointee.state == .connecting { return connected(place) }
        guard let base = connection.pointee.outbound.base, connection.pointee.outbound.count > 0 else {
            return waitToWrite(place, false)
        }
        let sent = Glibc.send(connection.pointee.socket, base, connection.pointee.outbound.count, Self.sendFlags)
        guard sent >= 0 || errno == EAGAIN else {
            return fail(place, "broke the connection: \(LoadError.lastReason)")
        }
        connection.pointee.outbound.drop(max(0, sent))
        if connection.pointee.outbound.count == 0 { waitToWrite(place, false) }
    }

    func waitToWrite(_ place: Int, _ isWaiting: Bool) {
        guard connections[place].isWaitingToWrite != isWaiting else { return }
        connections[place].isWaitingToWrite = isWaiting
        epoll.change(connections[place].socket, number: place, writable: isWaiting)
    }

    private static let sendFlags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)

    // MARK: Heart-beats

    /// Sends those that are due, evenly over the period.
    private func sendHeartBeats() {
        guard configuration.heartBeatMilliseconds > 0, count > 0 else { return }
        let elapsed = Int(MonotonicClock.nanoseconds - heartBeatsBegan)
        let due = Int(Double(elapsed) / Double(configuration.heartBeatMilliseconds * 1_000_000) * Double(count))
        while heartBeatsSent < due {
            let place = heartBeatsSent % count
            heartBeatsSent += 1
            guard connections[place].state == .ready else { continue }
            frames.clear()
            frames.appendHeartBeat()
            sendFrames(place)
        }
    }

    /// Ends a connection; the first failure is what the swarm reports.
    func fail(_ place: Int, _ what: String) {
        firstFailure.withLock { failure in
            if failure == nil {
                failure = LoadError(
                    "Connection \(firstNumber + place) to port \(configuration.port): the server \(what).")
            }
        }
        let connection = connections + place
        if connection.pointee.state.isGreeting { greetings -= 1 }
        if connection.pointee.socket >= 0 { close(connection.pointee.socket) }
        connection.pointee.socket = -1
        connection.pointee.state = .closed
    }
}
