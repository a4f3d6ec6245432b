import BelfryModel

/// The id of a session: a UUID of version 8 (RFC 9562, section 5.8), which names the worker that has the session, so
/// that whoever holds the id finds the session without a table and without a lock. The other 106 bits are random.
public struct SessionID: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    /// A new id.
    ///
    /// - Parameter worker: the number of the session's worker, below 65,536.
    init(worker: Int) {
        // Foundation's UUID opens /dev/urandom for each, three system calls when thousands connect at once.
        var generator = SystemRandomNumberGenerator()
        high = generator.next() & ~0xF000 | 0x8000
        low = generator.next() & ~(0xC000 << 48 | 0xFFFF) | 0x8000 << 48 | UInt64(worker) & 0xFFFF
    }

    /// Reads the text form; `nil` for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 36, let id = UniqueID(text), id.high >> 12 & 0xF == 8, id.low >> 62 == 2 else {
            return nil
        }
        (high, low) = (id.high, id.low)
    }

    /// The number of the session's worker.
    var worker: Int { Int(low & 0xFFFF) }

    /// The text form of a UUID.
    public var description: String {
        String(unsafeUninitializedCapacity: 36) { text in
            var place = 0
            for digit in 0..<32 {
                if digit == 8 || digit == 12 || digit == 16 || digit == 20 {
                    text[place] = UInt8(ascii: "-")
                    place += 1
                }
                let half = digit < 16 ? high : low
                let value = UInt8(truncatingIfNeeded: half >> UInt64((15 - digit % 16) * 4)) & 0xF
                text[place] = value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
                place += 1
            }
            return place
        }
    }
}
