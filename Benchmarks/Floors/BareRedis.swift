import CHiredis
import Glibc

/// One hiredis connection with blocking calls. To be used by one thread at a time, but for `interrupt`.
public final class BareRedis: @unchecked Sendable {
    private let context: UnsafeMutablePointer<redisContext>

    /// Connects, and authenticates and selects a database when the URL says so.
    ///
    /// - Parameter url: `redis://[[user]:password@]host[:port][/database]`; no TLS.
    public init(url: String) throws(BareError) {
        let address = try BareRedisAddress(url)
        guard let context = redisConnect(address.host, Int32(address.port)) else {
            throw BareError("There is no memory for a connection to Redis.")
        }
        self.context = context
        guard context.pointee.err == 0 else { throw failure }
        if let password = address.password { _ = try text(["AUTH"] + (address.user.map { [$0] } ?? []) + [password]) }
        if address.database != "0" { _ = try text(["SELECT", address.database]) }
    }

    deinit { redisFree(context) }

    /// Sends a command and waits for its answer, as text.
    public func text(_ command: [String]) throws(BareError) -> String {
        append(command)
        return try nextReply { String(decoding: $0.lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
    }

    /// Puts a command into the output buffer.
    public func append(_ command: [String]) {
        let lengths = command.map { $0.utf8.count }
        CStrings.with(command) { words in
            var words = Array(UnsafeBufferPointer(start: words, count: command.count))
            redisAppendCommandArgv(context, Int32(command.count), &words, lengths)
        }
    }

    /// Puts a PUBLISH into the output buffer.
    public func appendPublish(channel: UnsafeBufferPointer<CChar>, message: UnsafeBufferPointer<CChar>) {
        Self.publish.withUnsafeBufferPointer { name in
            // hiredis takes the words as an array of pointers beside one of lengths.
            withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: 3) { words in
                withUnsafeTemporaryAllocation(of: Int.self, capacity: 3) { lengths in
                    words[0] = name.baseAddress
                    words[1] = channel.baseAddress
                    words[2] = message.baseAddress
                    lengths[0] = name.count
                    lengths[1] = channel.count
                    lengths[2] = message.count
                    redisAppendCommandArgv(context, 3, words.baseAddress, lengths.baseAddress)
                }
            }
        }
    }
    private static let publish = "PUBLISH".utf8.map { CChar(bitPattern: $0) }

    /// Writes what is in the output buffer and waits for the next answer: its bytes, or those of its last element when
    /// it is an array, as a published message is the last of three.
    public func nextReply<R>(_ body: (UnsafeBufferPointer<CChar>) -> R) throws(BareError) -> R {
        var pointer: UnsafeMutableRawPointer?
        guard redisGetReply(context, &pointer) == REDIS_OK, let pointer else { throw failure }
        defer { freeReplyObject(pointer) }
        var reply = pointer.assumingMemoryBound(to: redisReply.self).pointee
        if reply.type == REDIS_REPLY_ERROR {
            throw BareError("Redis answered: \(String(cString: reply.str))")
        }
        if reply.type == REDIS_REPLY_ARRAY, reply.elements > 0, let last = reply.element[reply.elements - 1] {
            reply = last.pointee
        }
        return body(UnsafeBufferPointer(start: reply.str, count: reply.str == nil ? 0 : Int(reply.len)))
    }

    /// Ends a read that another thread waits in, which then throws.
    public func interrupt() { shutdown(context.pointee.fd, Int32(SHUT_RDWR)) }

    private var failure: BareError {
        BareError(
            "Redis: "
                + withUnsafeBytes(of: &context.pointee.errstr) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
    }
}

/// The parts of a `redis://` URL.
struct BareRedisAddress {
    var host = "127.0.0.1"
    var port = 6_379
    var user: String?
    var password: String?
    var database = "0"

    init(_ url: String) throws(BareError) {
        let scheme = "redis://"
        guard url.hasPrefix(scheme) else { throw BareError("The floors speak to a redis:// URL only, without TLS.") }
        var rest = url.dropFirst(scheme.count)
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            if let name = parts.first, !name.isEmpty { user = String(name) }
            if parts.count == 2 { password = String(parts[1]) }
            rest = rest[rest.index(after: at)...]
        }
        let parts = rest.split(separator: "/", maxSplits: 1)
        if parts.count == 2 { database = String(parts[1]) }
        let address = (parts.first ?? "").split(separator: ":", maxSplits: 1)
        if let name = address.first { host = String(name) }
        if address.count == 2, let number = Int(address[1]) { port = number }
    }
}
