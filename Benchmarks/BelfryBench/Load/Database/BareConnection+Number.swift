import Floors

extension BareConnection {
    /// The whole number that a statement returns.
    func number(_ sql: String) throws -> Int {
        let result = try execute(sql)
        guard result.rowCount > 0, let number = Int(result.string(0, 0)) else {
            throw BenchmarkError("PostgreSQL returned no number for: \(sql)")
        }
        return number
    }
}
