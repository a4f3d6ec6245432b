import Glibc

/// One connection that publishes persistent messages by STOMP over TCP, each with a receipt: RabbitMQ sends it once it
/// has confirmed the message, which is what a commit is to a writer of PostgreSQL.
final class RabbitMQPublisher {
    /// Messages sent and not yet confirmed at most; 1,000 of them keep RabbitMQ's disk busy.
    static let unconfirmedMax = 1_000

    private let socket: RabbitMQSocket
    private var input = [UInt8](repeating: 0, count: 65_536)
    private var output: [UInt8] = []
    private var unconfirmed = 0
    private var frames = ReceiptCounter()

    /// Connects as `guest`.
    init(port: Int) throws {
        socket = try RabbitMQSocket(port: port)
        try socket.send(
            Array("CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nheart-beat:0,0\n\n\0".utf8))
        let deadline = ContinuousClock.now + .seconds(10)
        while frames.connected == 0, ContinuousClock.now < deadline { try receive(waiting: 100) }
        guard frames.connected == 1 else { throw BenchmarkError("RabbitMQ did not answer a publisher's CONNECT.") }
    }

    /// Sends a batch, and waits until no more than `unconfirmedMax` messages are unconfirmed.
    ///
    /// - Parameter messages: the queue's name and the body, without a NUL.
    func publish(_ batch: MessageBatch) throws {
        output.removeAll(keepingCapacity: true)
        for row in 0..<batch.count {
            output += "SEND\ndestination:/queue/".utf8
            output += batch.receiver(row)
            output += "\ncontent-type:application/json\npersistent:true\nreceipt:1\n\n".utf8
            batch.appendBody(row, to: &output)
            output.append(0)
        }
        unconfirmed += batch.count
        try socket.send(output)
        try receive(waiting: 0)
        while unconfirmed > Self.unconfirmedMax { try receive(waiting: 1_000) }
    }

    /// Waits until everything sent is confirmed.
    func finish() throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while unconfirmed > 0, ContinuousClock.now < deadline { try receive(waiting: 100) }
        guard unconfirmed == 0 else {
            throw BenchmarkError("RabbitMQ left \(unconfirmed) messages unconfirmed for 30 s.")
        }
    }

    private func receive(waiting milliseconds: Int32) throws {
        let count = try socket.receive(into: &input, waiting: milliseconds)
        unconfirmed -= frames.count(in: input[..<count])
        guard frames.others == 0 else { throw BenchmarkError("RabbitMQ refused what a publisher sent.") }
    }
}

/// Counts frames by their first letter: RECEIPT, CONNECTED, or something else, which is an ERROR.
private struct ReceiptCounter {
    private(set) var connected = 0
    private(set) var others = 0
    private var isAtStart = true

    /// Takes the next bytes of the stream; how many RECEIPTs began in them.
    mutating func count(in bytes: ArraySlice<UInt8>) -> Int {
        var receipts = 0
        for byte in bytes {
            if byte == 0 {
                isAtStart = true
            } else if isAtStart, byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r") {
                isAtStart = false
                switch byte {
                case UInt8(ascii: "R"): receipts += 1
                case UInt8(ascii: "C"): connected += 1
                default: others += 1
                }
            }
        }
        return receipts
    }
}
