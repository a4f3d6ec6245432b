import Glibc

/// A search in bytes.
enum DatabaseBytes {
    /// Where `needle`, of at least one byte, first stands in `bytes`.
    static func offset(of needle: [UInt8], in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress, let first = needle.first else { return nil }
        var offset = 0
        while offset + needle.count <= bytes.count {
            let left = bytes.count - needle.count + 1 - offset
            guard let found = memchr(start + offset, Int32(first), left) else { return nil }
            offset = UnsafeRawPointer(found) - start
            if memcmp(found, needle, needle.count) == 0 { return offset }
            offset += 1
        }
        return nil
    }
}
