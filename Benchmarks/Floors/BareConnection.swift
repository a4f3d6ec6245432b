import CLibpq
import Glibc

/// Why a floor could not do its work, as a sentence.
public struct BareError: Error, CustomStringConvertible, Sendable {
    public let description: String

    /// - Parameter description: what went wrong.
    public init(_ description: String) { self.description = description }
}

/// One libpq connection with blocking calls, and nothing around it. To be used by one thread at a time.
public final class BareConnection: @unchecked Sendable {
    private let connection: OpaquePointer

    /// Connects.
    ///
    /// - Parameters:
    ///   - url: a URL or connection string of libpq.
    ///   - database: instead of the one that the URL names.
    public init(url: String, database: String? = nil) throws(BareError) {
        // Of several `dbname` only the first is taken for a URL, and the last one wins.
        let names = database == nil ? ["dbname"] : ["dbname", "dbname"]
        let connection = CStrings.with(names) { names in
            CStrings.with(database.map { [url, $0] } ?? [url]) { PQconnectdbParams(names, $0, 1) }
        }
        guard let connection else { throw BareError("There is no memory for a connection to PostgreSQL.") }
        guard PQstatus(connection) == CONNECTION_OK else {
            let message = String(cString: PQerrorMessage(connection))
            PQfinish(connection)
            throw BareError("PostgreSQL can't be reached: \(message)")
        }
        // Notices go to standard error otherwise, among the progress lines.
        PQsetNoticeProcessor(connection, { _, _ in }, nil)
        self.connection = connection
    }

    deinit { PQfinish(connection) }

    /// The socket, for poll(2).
    public var descriptor: Int32 { PQsocket(connection) }

    /// Runs one or more statements; the result is the last one's.
    @discardableResult
    public func execute(_ sql: String) throws(BareError) -> BareResult {
        try checked(PQexec(connection, sql))
    }

    /// Prepares a statement under a name.
    public func prepare(_ name: String, _ sql: String) throws(BareError) {
        _ = try checked(PQprepare(connection, name, sql, 0, nil))
    }

    /// Runs a prepared statement with values in text form.
    @discardableResult
    public func execute(prepared name: String, _ values: [String]) throws(BareError) -> BareResult {
        let result = CStrings.with(values) {
            PQexecPrepared(connection, name, Int32(values.count), $0, nil, nil, 0)
        }
        return try checked(result)
    }

    /// How many notifications have come since the last look.
    public func takeNotifications() -> Int {
        var count = 0
        while let notification = PQnotifies(connection) {
            PQfreemem(notification)
            count += 1
        }
        return count
    }

    /// Sleeps in poll(2) until a notification comes. Returns false when `wake` became readable, or the time was up.
    ///
    /// - Parameter milliseconds: −1 for ever.
    public func waitForNotification(orReadable wake: Int32 = -1, milliseconds: Int32 = -1) throws(BareError) -> Bool {
        while takeNotifications() == 0 {
            var descriptors = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            ]
            let ready = poll(&descriptors, 2, milliseconds)
            if ready == 0 || descriptors[1].revents != 0 { return false }
            if ready > 0, PQconsumeInput(connection) == 0 { throw failure }
        }
        return true
    }

    private var failure: BareError { BareError(String(cString: PQerrorMessage(connection))) }

    private func checked(_ pointer: OpaquePointer?) throws(BareError) -> BareResult {
        guard let pointer else { throw failure }
        let result = BareResult(pointer)
        switch PQresultStatus(pointer) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK: return result
        default: throw BareError(String(cString: PQresultErrorMessage(pointer)))
        }
    }
}

/// A result of libpq, freed with this value.
public struct BareResult: ~Copyable {
    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { PQclear(pointer) }

    /// How many rows came back.
    public var rowCount: Int { Int(PQntuples(pointer)) }

    /// How many rows a command inserted, changed or deleted.
    public var affectedRows: Int { Int(String(cString: PQcmdTuples(pointer))) ?? 0 }

    /// A value's bytes, in libpq's own memory: they end with this result.
    public func bytes(_ row: Int, _ column: Int) -> UnsafeBufferPointer<CChar> {
        UnsafeBufferPointer(
            start: PQgetvalue(pointer, Int32(row), Int32(column)),
            count: Int(PQgetlength(pointer, Int32(row), Int32(column))))
    }

    /// A value as text; empty for null.
    public func string(_ row: Int, _ column: Int) -> String {
        String(decoding: bytes(row, column).lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Arrays of C strings, which libpq takes parameters as.
public enum CStrings {
    /// Lends copies of the strings, with a null pointer after the last one.
    public static func with<R>(
        _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> R
    ) -> R {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        let pointers: [UnsafePointer<CChar>?] = copies.map { UnsafePointer($0) } + [nil]
        return pointers.withUnsafeBufferPointer { buffer in
            // The array has its closing null at least.
            buffer.baseAddress.map(body) ?? withUnsafePointer(to: nil, body)
        }
    }
}
