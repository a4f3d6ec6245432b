import Glibc

/// Bytes that are kept until more arrive or the socket has room.
struct ByteStore {
    private(set) var base: UnsafeMutableRawPointer?
    private(set) var count = 0
    private var capacity = 0

    /// Replaces what is kept.
    mutating func keep(_ bytes: UnsafeRawPointer, _ count: Int) {
        self.count = 0
        append(bytes, count)
    }

    mutating func append(_ bytes: UnsafeRawPointer, _ more: Int) {
        guard more > 0 else { return }
        if count + more > capacity {
            capacity = max(256, (count + more) * 2)
            base = realloc(base, capacity)
        }
        guard let base else { return }
        memcpy(base + count, bytes, more)
        count += more
    }

    /// Forgets the first `used` bytes.
    mutating func drop(_ used: Int) {
        guard let base, used > 0 else { return }
        count -= used
        memmove(base, base + used, count)
    }

    mutating func clear() { count = 0 }

    mutating func release() {
        free(base)
        base = nil
        count = 0
        capacity = 0
    }
}
