import NIOCore

/// The header of version 2 of the PROXY protocol, in which a proxy says before all else whose connection it passes on
/// (haproxy, "The PROXY protocol", section 2.2). Pure.
struct ProxyHeader: Hashable {
    /// Why the bytes are no such header.
    enum Failure: Error {
        /// They begin with something else.
        case noHeader
        /// It is of another version, has another command, or is too short for the address that it announces.
        case faulty
        /// It is longer than `bytesMax`.
        case tooLong
    }

    /// What every such header begins with: no text protocol does.
    static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    /// Bytes of a header at most, those included that are not looked at: a TLS client's certificate may be among them.
    static let bytesMax = 4_096

    /// Where the connection comes from; `nil` when the proxy speaks for itself, as in a health check, or does not know.
    let source: IPAddress?

    /// Takes a header from the front of `bytes`.
    ///
    /// - Returns: `nil` when more bytes are needed.
    static func read(from bytes: inout ByteBuffer) throws(Failure) -> ProxyHeader? {
        guard bytes.readableBytesView.prefix(signature.count).elementsEqual(signature.prefix(bytes.readableBytes))
        else { throw .noHeader }
        let start = bytes.readerIndex + signature.count
        guard
            let (versionAndCommand, family, length) = bytes.getMultipleIntegers(
                at: start, as: (UInt8, UInt8, UInt16).self)
        else { return nil }
        guard versionAndCommand >> 4 == 2 else { throw .faulty }
        let headBytes = signature.count + 4
        guard Int(length) <= bytesMax - headBytes else { throw .tooLong }
        guard let whole = bytes.getSlice(at: bytes.readerIndex + headBytes, length: Int(length)) else { return nil }
        let header = try ProxyHeader(command: versionAndCommand & 0xF, family: family, addresses: whole)
        bytes.moveReaderIndex(forwardBy: headBytes + Int(length))
        return header
    }

    private init(command: UInt8, family: UInt8, addresses: ByteBuffer) throws(Failure) {
        var addresses = addresses
        switch (command, family) {
        case (0x0, _), (0x1, 0x00), (0x1, 0x31):
            // LOCAL, whatever follows; and of PROXY what has no IP address: unknown, and a UNIX stream socket.
            source = nil
        case (0x1, 0x11):
            guard addresses.readableBytes >= 12, let address = addresses.readInteger(as: UInt32.self) else {
                throw .faulty
            }
            source = IPAddress(ipv4: address)
        case (0x1, 0x21):
            guard addresses.readableBytes >= 36,
                let (high, low) = addresses.readMultipleIntegers(as: (UInt64, UInt64).self)
            else { throw .faulty }
            source = IPAddress(high: high, low: low)
        default:
            // Datagrams do not come over TCP, and other commands do not exist.
            throw .faulty
        }
    }
}
