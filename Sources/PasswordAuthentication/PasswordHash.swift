import Crypto
import CryptoExtras
import Foundation

/// A password's hash by scrypt (RFC 7914), in the form that other programs know:
/// `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`, both in base64 without padding.
public struct PasswordHash: Hashable, Sendable, CustomStringConvertible {
    /// What a hash costs. The defaults take 32 MiB and some hundred milliseconds.
    struct Cost: Hashable, Sendable {
        /// The logarithm of scrypt's N; memory is 128 · r · 2^ln bytes.
        var logarithm = 15
        var blockSize = 8
        var parallelism = 3

        /// Steps of the computation, as far as two costs are compared.
        var work: Int { (1 << logarithm) * blockSize * parallelism }

        /// What is taken from a file: not so little that guessing is cheap, not so much that one check stops a node.
        var isSound: Bool {
            (10...18).contains(logarithm) && (1...16).contains(blockSize) && (1...8).contains(parallelism)
        }
    }

    static let saltBytes = 16
    static let hashBytes = 32

    let cost: Cost
    let salt: [UInt8]
    let hash: [UInt8]

    /// The hash of a new password, with a salt of its own. Takes the time that guessing is to take.
    public init(of password: String) throws {
        try self.init(of: password, cost: Cost())
    }

    init(of password: String, cost: Cost) throws {
        self.cost = cost
        var generator = SystemRandomNumberGenerator()
        salt = (0..<Self.saltBytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
        hash = try Self.derive(password, salt: salt, cost: cost, byteCount: Self.hashBytes)
    }

    /// A hash of no password, which takes as long to compare with.
    static func ofNothing(cost: Cost) -> PasswordHash {
        PasswordHash(cost: cost, salt: [UInt8](repeating: 0, count: saltBytes), hash: [])
    }

    private init(cost: Cost, salt: [UInt8], hash: [UInt8]) {
        self.cost = cost
        self.salt = salt
        self.hash = hash
    }

    /// Reads the text form; `nil` for anything else, and for a cost that is not sound.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt", let cost = Self.cost(parts[2]), cost.isSound,
            let salt = Self.bytes(parts[3]), (8...64).contains(salt.count), let hash = Self.bytes(parts[4]),
            (16...64).contains(hash.count)
        else { return nil }
        self.cost = cost
        self.salt = salt
        self.hash = hash
    }

    public var description: String {
        "$scrypt$ln=\(cost.logarithm),r=\(cost.blockSize),p=\(cost.parallelism)$\(Self.text(salt))$\(Self.text(hash))"
    }

    /// Whether a password is the one. Takes the time that guessing is to take, and compares without telling where two
    /// hashes differ.
    func verifies(_ password: String) -> Bool {
        let byteCount = hash.isEmpty ? Self.hashBytes : hash.count
        guard let derived = try? Self.derive(password, salt: salt, cost: cost, byteCount: byteCount),
            derived.count == hash.count
        else { return false }
        return zip(derived, hash).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func derive(_ password: String, salt: [UInt8], cost: Cost, byteCount: Int) throws -> [UInt8] {
        try KDF.Scrypt.deriveKey(
            from: Array(password.utf8), salt: salt, outputByteCount: byteCount, rounds: 1 << cost.logarithm,
            blockSize: cost.blockSize, parallelism: cost.parallelism
        ).withUnsafeBytes { Array($0) }
    }

    private static func cost(_ text: some StringProtocol) -> Cost? {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false)
        guard numbers.count == 3 else { return nil }
        let values = zip(numbers, ["ln=", "r=", "p="]).compactMap { number, name in
            number.hasPrefix(name) ? Int(number.dropFirst(name.count)) : nil
        }
        guard values.count == 3 else { return nil }
        return Cost(logarithm: values[0], blockSize: values[1], parallelism: values[2])
    }

    private static func text(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "=", with: "")
    }

    private static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        guard text.utf8.count % 4 != 1 else { return nil }
        let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return Data(base64Encoded: String(text) + padding).map { Array($0) }
    }
}
