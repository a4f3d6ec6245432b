/// Bytes on their way over a blocking socket, and the answers to them.
struct PublisherSocket: ~Copyable {
    private let descriptor: Int32
    private(set) var outbound: [UInt8] = []
    private(set) var inbound: [UInt8] = []

    init(port: Int) throws(LoadError) {
        descriptor = try LoopbackSocket.connected(port: port)
        outbound.reserveCapacity(1 << 20)
        inbound.reserveCapacity(1 << 16)
    }

    deinit { closeDescriptor(descriptor) }

    mutating func append(_ bytes: [UInt8]) { outbound.append(contentsOf: bytes) }
    mutating func append(_ bytes: UnsafeRawBufferPointer) { outbound.append(contentsOf: bytes) }

    /// Writes all that was appended. The answers must not fill the peer's socket meanwhile: read them often.
    mutating func flush() throws(LoadError) {
        var done = 0
        while done < outbound.count {
            let count = outbound.withUnsafeBytes { sendBytes(descriptor, $0, from: done) }
            guard count > 0 else { throw LoadError("A publisher's connection broke: \(LoadError.lastReason).") }
            done += count
        }
        outbound.removeAll(keepingCapacity: true)
    }

    /// Appends what has arrived to `inbound`; waits for some.
    mutating func receive() throws(LoadError) {
        let count = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { chunk in
            let count = receiveBytes(descriptor, chunk)
            if count > 0 { inbound.append(contentsOf: chunk[..<count]) }
            return count
        }
        guard count > 0 else {
            throw LoadError(
                count == 0
                    ? "A publisher's connection was closed." : "A publisher got no answer: \(LoadError.lastReason).")
        }
    }

    mutating func dropInbound(_ count: Int) { inbound.removeFirst(count) }
}
