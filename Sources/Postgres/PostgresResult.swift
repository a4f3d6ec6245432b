import CLibpq

/// The rows of one statement, in text format. Immutable; a row or column that isn't there reads as null.
///
/// Unchecked, since libpq's reading functions change nothing in a `PGresult`, and nobody else holds it.
public final class PostgresResult: @unchecked Sendable {
    private let result: OpaquePointer?
    public let rowCount: Int
    public let columnCount: Int

    /// Takes over `result` and clears it in the end.
    init(owning result: OpaquePointer?) {
        self.result = result
        rowCount = Int(PQntuples(result))
        columnCount = Int(PQnfields(result))
    }

    deinit { PQclear(result) }

    /// Rows that INSERT, UPDATE, DELETE, SELECT, … touched; 0 for other statements.
    public var affectedRows: Int { PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0 }

    /// What the server says it did: `INSERT 0 1`, `COMMIT`, `ROLLBACK`, ….
    public var commandTag: String { PQcmdStatus(result).map { String(cString: $0) } ?? "" }

    public func isNull(_ row: Int, _ column: Int) -> Bool {
        // Out of range, libpq would answer by a notice to a connection that may be gone.
        guard row >= 0, row < rowCount, column >= 0, column < columnCount else { return true }
        return PQgetisnull(result, Int32(row), Int32(column)) == 1
    }

    /// The text; "" for null.
    public func string(_ row: Int, _ column: Int) -> String {
        withBytes(row, column) { String(decoding: $0, as: UTF8.self) }
    }

    /// The text; nil for null.
    public func optionalString(_ row: Int, _ column: Int) -> String? {
        isNull(row, column) ? nil : string(row, column)
    }

    /// nil for null and for what is no integer of 64 bits.
    public func int64(_ row: Int, _ column: Int) -> Int64? {
        withBytes(row, column) { bytes in
            let isNegative = bytes.first == UInt8(ascii: "-")
            let digits = bytes.dropFirst(isNegative ? 1 : 0)
            guard !digits.isEmpty else { return nil }
            var value: Int64 = 0
            for byte in digits {
                guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
                let digit = Int64(byte - UInt8(ascii: "0"))
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(isNegative ? -digit : digit)
                if overflow || carry { return nil }
                value = sum
            }
            return value
        }
    }

    /// nil for null and for what is no number.
    public func double(_ row: Int, _ column: Int) -> Double? {
        optionalString(row, column).flatMap { Double($0) }
    }

    /// false for null.
    public func bool(_ row: Int, _ column: Int) -> Bool {
        withBytes(row, column) { $0.count == 1 && $0[0] == UInt8(ascii: "t") }
    }

    /// The text form's bytes, valid for the call; none for null.
    public func withBytes<R>(
        _ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        guard !isNull(row, column), let start = PQgetvalue(result, Int32(row), Int32(column)) else {
            return try body(UnsafeRawBufferPointer(start: nil, count: 0))
        }
        let count = Int(PQgetlength(result, Int32(row), Int32(column)))
        return try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(start: start, count: count)) }
    }
}
