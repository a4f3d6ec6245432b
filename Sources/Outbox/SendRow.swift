import BelfryModel

/// A message that a client sends, as a row of the log to be.
public struct SendRow: Hashable, Sendable {
    public let address: Address
    public let type: String
    /// JSON, or a text that becomes a JSON string; without NUL octets.
    public let data: String
    public let isText: Bool
    /// A JSON object; empty for none.
    public let headers: String
    /// Unix milliseconds, above zero.
    public let notBeforeMilliseconds: Int64?
    /// Unix milliseconds, above zero.
    public let expiresAtMilliseconds: Int64?
    public let idempotencyKey: String?

    public init(
        address: Address, type: String, data: String, isText: Bool = false, headers: String = "",
        notBeforeMilliseconds: Int64? = nil, expiresAtMilliseconds: Int64? = nil, idempotencyKey: String? = nil
    ) {
        self.address = address
        self.type = type
        self.data = data
        self.isText = isText
        self.headers = headers
        self.notBeforeMilliseconds = notBeforeMilliseconds
        self.expiresAtMilliseconds = expiresAtMilliseconds
        self.idempotencyKey = idempotencyKey
    }

    /// Bytes that it takes in memory and on the way to PostgreSQL, about.
    public var byteCount: Int { data.utf8.count + headers.utf8.count + type.utf8.count + 512 }
}
