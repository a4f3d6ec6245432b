import Authentication
import JWTKit

/// The keys that tokens are verified with. Each has one algorithm, and a token is only ever tried with keys whose
/// algorithm its header names: a public key can't be made to serve as a secret.
public struct JWTKeys: Sendable {
    /// One key with its one algorithm.
    struct Key: Sendable {
        /// The `kid` that a JWKS gives it; PEM keys and the secret have none.
        let id: String?
        /// Verifies by jwt-kit; its `name` is what a header's `alg` must be.
        let algorithm: any JWTAlgorithm
    }

    let keys: [Key]
    /// Sentences on entries of a JWKS that are not used, for the log at the start.
    public let ignored: [String]

    init(keys: [Key], ignored: [String] = []) {
        self.keys = keys
        self.ignored = ignored
    }

    /// The keys of both.
    public func adding(_ other: JWTKeys) -> JWTKeys {
        JWTKeys(keys: keys + other.keys, ignored: ignored + other.ignored)
    }

    /// The algorithms that tokens may have, sorted, for the log at the start.
    public var algorithms: [String] {
        Set(keys.map(\.algorithm.name)).sorted()
    }

    /// What the keys are called: their `kid`s, and the algorithms of those without one.
    var ids: Set<String> { Set(keys.map { $0.id ?? $0.algorithm.name }) }

    /// Whether there is a key of a token's `kid`, whatever it is for, or for a token without one a key of its
    /// algorithm: then no other will come.
    func knows(_ token: JWTToken) -> Bool {
        guard let wanted = token.keyID else { return keys.contains { $0.algorithm.name == token.algorithm } }
        return keys.contains { $0.id == wanted }
    }

    /// Whether a token may be verified with one of these keys.
    func mayVerify(_ token: JWTToken) -> Bool {
        keys.contains { key in
            if let id = key.id, let wanted = token.keyID { return id == wanted }
            return key.algorithm.name == token.algorithm
        }
    }

    /// The keys that a token with this header may be verified with: of its algorithm, and of its `kid` where a key has
    /// it. A key without a `kid` (a PEM, the secret) serves every token of its algorithm.
    func candidates(algorithm: String, keyID: String?) throws(AuthenticationError) -> [Key] {
        let named = keyID.map { id in keys.filter { $0.id == id } } ?? []
        let choice = named.isEmpty ? keys.filter { keyID == nil || $0.id == nil } : named
        guard !choice.isEmpty else {
            throw AuthenticationError(
                .signature, "The token's signature does not match any configured key.",
                detail: "No configured key has the 'kid' \(JWTToken.printable(keyID)).")
        }
        let candidates = choice.filter { $0.algorithm.name == algorithm }
        guard !candidates.isEmpty else {
            let names = Set(choice.map(\.algorithm.name)).sorted().joined(separator: ", ")
            throw AuthenticationError(
                .algorithm, "The token's algorithm is not accepted here.",
                detail:
                    "The token's algorithm is \(JWTToken.printable(algorithm)); the keys it may use are for \(names).")
        }
        return candidates
    }

    /// What jwt-kit makes of a key that was just added to a collection.
    static func algorithm(_ name: String? = nil, _ add: (JWTKeyCollection) async throws -> Void) async throws
        -> any JWTAlgorithm
    {
        let collection = JWTKeyCollection()
        try await add(collection)
        return try await collection.getKey(alg: name)
    }
}

/// Why keys can't be used: it stops the start.
public struct JWTKeysError: Error, Sendable, CustomStringConvertible {
    /// What was wrong with the keys.
    public struct Code: Hashable, Sendable {
        enum Value { case weakSecret, unreadable, unusable }
        let value: Value
        /// A secret that is too short, or not a secret.
        public static let weakSecret = Code(value: .weakSecret)
        /// A file that can't be read.
        public static let unreadable = Code(value: .unreadable)
        /// A file without a key that can be used.
        public static let unusable = Code(value: .unusable)
    }

    public let code: Code
    /// A sentence for the operator; it never holds key material.
    public let message: String
    public let underlying: (any Error)?
    public let file: String
    public let line: Int

    public init(
        _ code: Code, _ message: String, underlying: (any Error)? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.underlying = underlying
        self.file = file
        self.line = line
    }

    public var description: String { message }
}
