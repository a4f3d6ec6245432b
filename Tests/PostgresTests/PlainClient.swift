import CLibpq

/// A client such as an application has: libpq with PostgreSQL's own search path. Its calls block.
final class PlainClient {
    private let connection: OpaquePointer?

    init(_ url: String) { connection = PQconnectdb(url) }

    deinit { PQfinish(connection) }

    func reconnect() { PQreset(connection) }

    /// The first column of the first row of the last statement; the server's words when it refused.
    func value(_ sql: String) -> String {
        let result = PQexec(connection, sql)
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_TUPLES_OK, PQntuples(result) > 0 else {
            return PQresultErrorMessage(result).map { String(cString: $0) } ?? ""
        }
        return PQgetvalue(result, 0, 0).map { String(cString: $0) } ?? ""
    }
}
