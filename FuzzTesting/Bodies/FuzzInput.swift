import NIOCore

/// The bytes of one run, taken from the front: what a fuzzer changes, it changes in place.
struct FuzzInput {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: UnsafeRawBufferPointer) { rest = Array(bytes)[...] }

    var isEmpty: Bool { rest.isEmpty }

    /// The next byte; 0 when there is none.
    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    /// Bytes with their count in front of them, as far as there are any.
    mutating func bytes() -> [UInt8] {
        let count = Int(byte())
        let bytes = Array(rest.prefix(count))
        rest = rest.dropFirst(count)
        return bytes
    }
}

/// What a run must never come to: it ends the program, which a fuzzer takes for a find.
func mustHold(_ condition: Bool, _ what: @autoclosure () -> String) {
    guard condition else { fatalError("This must hold and does not: \(what())") }
}

extension Array where Element == UInt8 {
    /// The array in pieces, of lengths that `cuts` gives, over and over; in one piece without any.
    func pieces(_ cuts: [UInt8]) -> [ByteBuffer] {
        guard cuts.contains(where: { $0 > 0 }) else { return [ByteBuffer(bytes: self)] }
        var pieces: [ByteBuffer] = []
        var rest = self[...]
        var place = 0
        while !rest.isEmpty {
            let count = Swift.max(1, Int(cuts[place % cuts.count]))
            pieces.append(ByteBuffer(bytes: rest.prefix(count)))
            rest = rest.dropFirst(count)
            place += 1
        }
        return pieces
    }
}
