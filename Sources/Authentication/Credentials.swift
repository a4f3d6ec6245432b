/// What a client shows to say who it is: the headers of its CONNECT, and what is known of its connection.
///
/// Printed, it shows no value: these are secrets.
public struct Credentials: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The token of `Authorization` or of the header `token`, without a `Bearer ` before it.
    public var token: String?
    /// The header `login`.
    public var login: String?
    /// The header `passcode`: a password, or a token of a client that has no other place for one.
    public var passcode: String?
    /// All headers of the frame, as they came; of repeated names the first counts.
    public var headers: [(name: String, value: String)]
    /// Header fields of the HTTP request that the connection began with.
    public var fields: [(name: String, value: String)]
    /// The client's IP address, without a port; `nil` when it is not known.
    public var address: String?

    public init(
        token: String? = nil, login: String? = nil, passcode: String? = nil,
        headers: [(name: String, value: String)] = [], fields: [(name: String, value: String)] = [],
        address: String? = nil
    ) {
        self.token = token
        self.login = login
        self.passcode = passcode
        self.headers = headers
        self.fields = fields
        self.address = address
    }

    /// The token, wherever it came: the passcode is one when there is no other. Empty when there is none.
    public var tokenOrPasscode: String { token ?? passcode ?? "" }

    public var description: String { "Credentials(…)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
