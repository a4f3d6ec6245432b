/// Turns what a client shows into the user it stands for.
///
/// It is asked on the session's event loop and answers there as far as it can: handing the question to another thread
/// costs more than checking a signature, which takes some ten microseconds. It never waits itself.
public protocol Authenticator: Sendable {
    /// - Parameter credentials: what the client sent: any bytes, any length.
    func authenticate(_ credentials: Credentials) -> AuthenticationAnswer

    /// Whether anybody can make a token of anybody's, so that a token proves nothing. The gateway then looks at where a
    /// request comes from instead, lest any page that a user opens speaks for them.
    var tokensAreUnproven: Bool { get }

    /// The names of the HTTP header fields that it looks at, for as long as a session lives: others are not kept.
    var fields: [String] { get }
}

extension Authenticator {
    public var fields: [String] { [] }
    public var tokensAreUnproven: Bool { false }
}

/// An authenticator's answer: one that is there, or a way to get it.
public enum AuthenticationAnswer: Sendable {
    case now(Result<Identity, AuthenticationError>)
    /// Others have to be asked. Nothing is under way before the closure is called, so that whoever calls it bounds how
    /// many are; it ends in seconds, and sooner when its task is cancelled.
    case later(@Sendable () async -> Result<Identity, AuthenticationError>)

    /// The answer of what may refuse.
    public init(_ body: () throws(AuthenticationError) -> Identity) {
        do {
            self = .now(.success(try body()))
        } catch {
            self = .now(.failure(error))
        }
    }

    /// The answer, waited for.
    public var result: Result<Identity, AuthenticationError> {
        get async {
            switch self {
            case .now(let result): result
            case .later(let ask): await ask()
            }
        }
    }
}
