import Postgres

extension PostgresResult {
    /// An array of `bigint`, which the statement casts to text, as `{1,2,3}`; empty for null.
    func int64List(_ row: Int, _ column: Int) -> [Int64] {
        string(row, column).dropFirst().dropLast().split(separator: ",").compactMap { Int64($0) }
    }
}
