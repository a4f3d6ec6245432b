import NIOCore

/// One reply of Redis (RESP 2).
enum RESPValue: Hashable {
    case simpleString(ByteBuffer)
    /// The text is the server's, such as `WRONGPASS invalid username-password pair`.
    case error(String)
    case integer(Int64)
    case bulkString(ByteBuffer)
    case null
    case array([RESPValue])

    /// The bytes of a simple or bulk string.
    var bytes: ByteBuffer? {
        switch self {
        case .simpleString(let bytes), .bulkString(let bytes): bytes
        case .error, .integer, .null, .array: nil
        }
    }
}
