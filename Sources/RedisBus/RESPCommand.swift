import BelfryModel
import Bus
import CHiredis
import NIOCore

/// Writes commands by hiredis's formatter.
enum RESPCommand {
    /// Appends a command of a few words.
    static func append(_ words: [String], to buffer: inout ByteBuffer) throws(BusError) {
        try append(words: words.flatMap(\.utf8), lengths: words.map(\.utf8.count), to: &buffer)
    }

    /// Appends a command whose first word is `name` and whose others are the channels of `addresses`.
    static func append(
        _ name: String, channelsOf addresses: some Sequence<Address>, names: ChannelNames, to buffer: inout ByteBuffer
    ) throws(BusError) {
        var words = Array(name.utf8)
        var lengths = [words.count]
        for address in addresses {
            let start = words.count
            names.append(address, to: &words)
            lengths.append(words.count - start)
        }
        try append(words: words, lengths: lengths, to: &buffer)
    }

    /// Appends `PUBLISH channel payload`.
    static func appendPublish(
        channel: [UInt8], payload: ByteBuffer, to buffer: inout ByteBuffer
    ) throws(BusError) {
        let name: StaticString = "PUBLISH"
        let isWritten = channel.withUnsafeBytes { channel in
            payload.withUnsafeReadableBytes { payload in
                let words = [
                    UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), channel, payload,
                ]
                return write(words, to: &buffer)
            }
        }
        guard isWritten else { throw tooLarge }
    }

    private static func append(words: [UInt8], lengths: [Int], to buffer: inout ByteBuffer) throws(BusError) {
        let isWritten = words.withUnsafeBytes { bytes in
            var rest = bytes[...]
            let words = lengths.map { length in
                defer { rest = rest.dropFirst(length) }
                return UnsafeRawBufferPointer(rebasing: rest.prefix(length))
            }
            return write(words, to: &buffer)
        }
        guard isWritten else { throw tooLarge }
    }

    private static func write(_ words: [UnsafeRawBufferPointer], to buffer: inout ByteBuffer) -> Bool {
        withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: words.count) { pointers in
            withUnsafeTemporaryAllocation(of: Int.self, capacity: words.count) { lengths in
                for (index, word) in words.enumerated() {
                    pointers.initializeElement(
                        at: index, to: word.baseAddress?.assumingMemoryBound(to: CChar.self))
                    lengths.initializeElement(at: index, to: word.count)
                }
                var command: UnsafeMutablePointer<CChar>?
                let count = redisFormatCommandArgv(
                    &command, CInt(words.count), pointers.baseAddress, lengths.baseAddress)
                guard count > 0, let command else { return false }
                buffer.writeBytes(UnsafeRawBufferPointer(start: command, count: Int(count)))
                redisFreeCommand(command)
                return true
            }
        }
    }

    private static var tooLarge: BusError {
        BusError(.refused, "A command for Redis is too large to be written.")
    }
}
