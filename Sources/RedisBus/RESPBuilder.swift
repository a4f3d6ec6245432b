import CHiredis
import NIOCore

/// What hiredis's reader calls for each element of a reply.
///
/// Elements are kept flat, an array before its elements, with the bytes of all strings in one buffer; `takeReplies`
/// builds the values when no more will be written to that buffer, so that slicing it copies nothing.
final class RESPBuilder {
    /// Elements of an array at most. Belfry's replies have three; hiredis would reserve memory for two billion.
    static let elementsMax = 1024

    private enum Element {
        case simpleString(bytes: Int)
        case error(bytes: Int)
        case bulkString(bytes: Int)
        case integer(Int64)
        case null
        case array(count: Int)
    }

    private var elements: [Element] = []
    private var strings = ByteBuffer()
    private var completeElements = 0
    private var completeBytes = 0
    private var completeReplies = 0

    /// Bytes of strings whose reply is not complete.
    var unfinishedBytes: Int { strings.readableBytes - completeBytes }

    /// Makes room for the strings of that many bytes from the socket.
    func expect(_ bytes: Int) {
        strings.reserveCapacity(minimumWritableBytes: bytes)
    }

    /// The elements since the last call are one reply.
    func replyCompleted() {
        completeElements = elements.count
        completeBytes = strings.readableBytes
        completeReplies += 1
    }

    /// The complete replies; what belongs to an unfinished one stays.
    func takeReplies() -> [RESPValue] {
        guard completeReplies > 0 else { return [] }
        var values: [RESPValue] = []
        values.reserveCapacity(completeReplies)
        var rest = elements[..<completeElements]
        var bytes = strings
        while let value = Self.value(from: &rest, strings: &bytes) { values.append(value) }
        elements.removeFirst(completeElements)
        strings = ByteBuffer()
        strings.writeImmutableBuffer(bytes)
        completeElements = 0
        completeBytes = 0
        completeReplies = 0
        return values
    }

    /// Recursion is bounded: hiredis refuses arrays nested deeper than seven.
    private static func value(from elements: inout ArraySlice<Element>, strings: inout ByteBuffer) -> RESPValue? {
        guard let element = elements.popFirst() else { return nil }
        switch element {
        case .simpleString(let bytes): return .simpleString(strings.readSlice(length: bytes) ?? ByteBuffer())
        case .bulkString(let bytes): return .bulkString(strings.readSlice(length: bytes) ?? ByteBuffer())
        case .error(let bytes):
            return .error(String(buffer: strings.readSlice(length: bytes) ?? ByteBuffer()))
        case .integer(let value): return .integer(value)
        case .null: return .null
        case .array(let count):
            var values: [RESPValue] = []
            values.reserveCapacity(count)
            for _ in 0..<count {
                guard let value = value(from: &elements, strings: &strings) else { return nil }
                values.append(value)
            }
            return .array(values)
        }
    }
}

extension RESPBuilder {
    /// The functions for `redisReaderCreateWithFunctions`. Never freed: readers point to it.
    ///
    /// Each answers with the builder's own address, which hiredis takes for the element and never looks into.
    nonisolated(unsafe) static let functions: UnsafeMutablePointer<redisReplyObjectFunctions> = {
        let functions = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
        functions.initialize(
            to: redisReplyObjectFunctions(
                createString: { task, bytes, count in
                    RESPBuilder.append(to: task) { $0.appendString(bytes, count: count, type: task?.pointee.type) }
                },
                createArray: { task, count in
                    guard count <= RESPBuilder.elementsMax else { return nil }
                    return RESPBuilder.append(to: task) { $0.elements.append(.array(count: max(0, Int(count)))) }
                },
                createInteger: { task, value in
                    RESPBuilder.append(to: task) { $0.elements.append(.integer(value)) }
                },
                createNil: { task in RESPBuilder.append(to: task) { $0.elements.append(.null) } },
                freeObject: { _ in }))
        return functions
    }()

    private static func append(
        to task: UnsafePointer<redisReadTask>?, _ body: (RESPBuilder) -> Void
    ) -> UnsafeMutableRawPointer? {
        guard let builder = task?.pointee.privdata else { return nil }
        body(Unmanaged<RESPBuilder>.fromOpaque(builder).takeUnretainedValue())
        return builder
    }

    private func appendString(_ bytes: UnsafeMutablePointer<CChar>?, count: Int, type: CInt?) {
        strings.writeBytes(UnsafeRawBufferPointer(start: bytes, count: count))
        switch type {
        case REDIS_REPLY_STATUS: elements.append(.simpleString(bytes: count))
        case REDIS_REPLY_ERROR: elements.append(.error(bytes: count))
        default: elements.append(.bulkString(bytes: count))
        }
    }
}
