import NIOCore

/// A question to another server.
public struct OutgoingRequest: Sendable {
    /// How it is asked.
    public enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
    }

    public var method: Method
    /// `http` or `https`.
    public var url: String
    /// Header fields; `Host` and the length are added.
    public var fields: [(name: String, value: String)]
    public var body: ByteBuffer?

    public init(
        _ method: Method, _ url: String, fields: [(name: String, value: String)] = [], body: ByteBuffer? = nil
    ) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
    }
}

/// What the other server said, whole.
public struct OutgoingAnswer: Sendable {
    public let status: Int
    public let body: ByteBuffer
    /// The value of `Retry-After`: seconds or a date.
    public let retryAfter: String?

    public init(status: Int, body: ByteBuffer, retryAfter: String? = nil) {
        self.status = status
        self.body = body
        self.retryAfter = retryAfter
    }
}

/// The head of what the other server said.
public struct OutgoingAnswerHead: Sendable {
    public let status: Int
    public let fields: [(name: String, value: String)]

    public init(status: Int, fields: [(name: String, value: String)] = []) {
        self.status = status
        self.fields = fields
    }

    /// The first value of a field, whatever the case of its name.
    public func field(_ name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}
