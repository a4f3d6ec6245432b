import NIOCore

/// Fills memory whose size was worked out beforehand, piece by piece, without growing or checking a buffer each time.
///
/// A piece that does not fit is left out and noted, so that a wrong size can neither trap nor write past the end.
struct ExactWriter: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var written = 0

    init(_ memory: UnsafeMutableRawBufferPointer) {
        self.memory = memory
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= memory.count - written else {
            assertionFailure("the size worked out for a frame is too small")
            return
        }
        UnsafeMutableRawBufferPointer(rebasing: memory[written...]).copyMemory(from: bytes)
        written += bytes.count
    }

    mutating func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func write(_ text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    mutating func write(_ buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { write($0) }
    }

    mutating func writeNull() {
        write("\0" as StaticString)
    }

    /// Writes a number of at least zero in decimal.
    mutating func write(decimal number: some FixedWidthInteger) {
        let count = number.decimalDigits
        guard count <= memory.count - written else {
            assertionFailure("the size worked out for a frame is too small")
            return
        }
        var rest = number
        for index in stride(from: written + count - 1, through: written, by: -1) {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            memory[index] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        }
        written += count
    }
}

extension FixedWidthInteger {
    /// The digits of a number of at least zero in decimal.
    var decimalDigits: Int {
        var count = 1
        var rest = self / 10
        while rest > 0 {
            count += 1
            rest /= 10
        }
        return count
    }
}

extension ByteBuffer {
    /// Reserves once and lets `body` fill `size` bytes.
    mutating func write(exactly size: Int, _ body: (inout ExactWriter) -> Void) {
        reserveCapacity(minimumWritableBytes: size)
        writeWithUnsafeMutableBytes(minimumWritableBytes: size) { memory in
            var writer = ExactWriter(UnsafeMutableRawBufferPointer(rebasing: memory[..<size]))
            body(&writer)
            assert(writer.written == size, "the size worked out for a frame is too large")
            return writer.written
        }
    }
}
