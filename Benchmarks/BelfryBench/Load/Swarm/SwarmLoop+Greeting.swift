import CLinux
import Glibc

/// Connecting and introducing oneself, many at a time, each step checked.
extension SwarmLoop {
    /// A key whose answer RFC 6455 (section 1.3) gives, so that the answer can be checked without SHA-1.
    private static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    private static let answer = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    /// Opens connections as long as not too many are in the middle of their greeting.
    func openMore() {
        let greetingsMax = max(1, configuration.greetingsMax / configuration.threads)
        while opened < count, greetings < greetingsMax {
            let place = opened
            opened += 1
            greetings += 1
            connections[place].state = .connecting
            let source = configuration.spreadsSources ? UInt32(1 + (firstNumber + place) % 8) : nil
            do throws(LoadError) {
                connections[place].socket = try LoopbackSocket.connecting(port: configuration.port, source: source)
            } catch {
                fail(place, "could not be reached: \(error)")
                continue
            }
            connections[place].isWaitingToWrite = true
            epoll.add(connections[place].socket, number: place, writable: true)
        }
    }

    /// The connection is made, or has failed.
    func connected(_ place: Int) {
        let error = LoopbackSocket.pendingError(connections[place].socket)
        guard error == 0 else { return fail(place, "refused the connection: \(String(cString: strerror(error)))") }
        waitToWrite(place, false)
        connections[place].state = .upgrading
        let subprotocol = configuration.greeting.subprotocol.map { "Sec-WebSocket-Protocol: \($0)\r\n" } ?? ""
        frames.clear()
        frames.appendPlain(
            "GET \(configuration.greeting.path(firstNumber + place)) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: \(Self.key)\r\n\(subprotocol)\r\n")
        sendFrames(place)
    }

    /// Looks for the answer to the handshake; the bytes it took, or 0 when it is not all there.
    func upgraded(_ place: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard let base = bytes.baseAddress, let found = memmem(base, bytes.count, "\r\n\r\n", 4) else {
            if bytes.count > 16_384 { fail(place, "answered the handshake with over 16 KiB") }
            return 0
        }
        let end = base.distance(to: UnsafeRawPointer(found)) + 4
        let head = String(decoding: bytes[..<end], as: UTF8.self)
        guard head.hasPrefix("HTTP/1.1 101 "), head.contains(Self.answer) else {
            let rest = String(decoding: bytes.prefix(400), as: UTF8.self)
            fail(place, "refused the WebSocket handshake: \(rest)")
            return 0
        }
        if let subprotocol = configuration.greeting.subprotocol, !head.contains(subprotocol) {
            fail(place, "did not grant the subprotocol \(subprotocol)")
            return 0
        }
        connections[place].state = .greeting
        takeStep(place)
        return end
    }

    /// Sends the next frame of the greeting, or ends it.
    private func takeStep(_ place: Int) {
        let steps = configuration.greeting.steps(firstNumber + place)
        let step = Int(connections[place].step)
        guard step < steps.count else {
            connections[place].state = .ready
            greetings -= 1
            if readyCount.add(1, ordering: .relaxed).newValue == count {
                readyAt.store(MonotonicClock.nanoseconds, ordering: .releasing)
            }
            return
        }
        frames.appendText(Array(steps[step].frame.utf8) + [0])
    }

    /// A frame that is no message has arrived during the greeting.
    func answered(_ place: Int, _ payload: UnsafeRawBufferPointer) {
        let steps = configuration.greeting.steps(firstNumber + place)
        let step = Int(connections[place].step)
        guard step < steps.count, payload.starts(with: steps[step].answer.utf8) else {
            let text = String(decoding: payload.prefix(400), as: UTF8.self)
            return fail(place, "answered step \(step + 1) of the greeting with: \(text)")
        }
        connections[place].step += 1
        takeStep(place)
    }
}

extension SwarmConnection.State {
    /// Between the connect and the last answer.
    var isGreeting: Bool {
        switch self {
        case .connecting, .upgrading, .greeting: true
        case .unopened, .ready, .closed: false
        }
    }
}
