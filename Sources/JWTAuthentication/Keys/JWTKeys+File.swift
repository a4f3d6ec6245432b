import Foundation
import JWTKit

extension JWTKeys {
    /// Bytes of a key file at most: a JWKS of a large issuer has 20 KiB.
    static let fileBytesMax = 1024 * 1024

    /// The public keys of a file: PEM blocks (`PUBLIC KEY`, `RSA PUBLIC KEY`, `CERTIFICATE`), a JWKS, or one JWK.
    ///
    /// - Parameter path: read once.
    public static func file(_ path: String) async throws(JWTKeysError) -> JWTKeys {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw JWTKeysError(
                .unreadable,
                "The key file '\(path)' (jwt.keys, BELFRY_JWT_KEYS) can't be read: "
                    + "\(error.localizedDescription)", underlying: error)
        }
        guard data.count <= fileBytesMax, let text = String(validating: data, as: UTF8.self) else {
            throw JWTKeysError(
                .unusable,
                "The key file '\(path)' is not text of at most \(fileBytesMax) bytes: a PEM file or a JWKS is wanted.")
        }
        return try await parsing(text, named: path)
    }

    /// The keys of a file's text.
    static func parsing(_ text: String, named path: String) async throws(JWTKeysError) -> JWTKeys {
        let keys =
            if text.contains("-----BEGIN ") {
                JWTKeys(keys: try await pemKeys(text, named: path))
            } else {
                try await JWTKeys(jwks: text, named: path)
            }
        guard !keys.keys.isEmpty else {
            throw JWTKeysError(
                .unusable,
                (["The key file '\(path)' holds no key that can be used."] + keys.ignored).joined(separator: " "))
        }
        return keys
    }

    // MARK: PEM

    private static func pemKeys(_ text: String, named path: String) async throws(JWTKeysError) -> [Key] {
        var keys: [Key] = []
        for block in pemBlocks(text) {
            guard !block.label.hasSuffix("PRIVATE KEY") else {
                throw JWTKeysError(
                    .unusable,
                    "The key file '\(path)' holds a private key; Belfry only verifies and wants the public one "
                        + "('openssl pkey -in private.pem -pubout').")
            }
            guard let algorithm = await pemAlgorithm(block) else {
                throw JWTKeysError(
                    .unusable,
                    "The block '\(block.label)' of the key file '\(path)' is not a public key for RS256 (2048 bits or "
                        + "more), ES256, ES384, ES512 or EdDSA (Ed25519).")
            }
            keys.append(Key(id: nil, algorithm: algorithm))
        }
        return keys
    }

    /// One `-----BEGIN label-----` … `-----END label-----` with its lines.
    private struct PEMBlock {
        let label: String
        let text: String
    }

    private static func pemBlocks(_ text: String) -> [PEMBlock] {
        var blocks: [PEMBlock] = []
        var label: String?
        var lines: [Substring] = []
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("-----BEGIN "), line.hasSuffix("-----") {
                label = String(line.dropFirst("-----BEGIN ".count).dropLast("-----".count))
                lines = []
            }
            lines.append(line)
            if let open = label, line.hasPrefix("-----END ") {
                blocks.append(PEMBlock(label: open, text: lines.joined(separator: "\n")))
                label = nil
            }
        }
        return blocks
    }

    /// The first algorithm whose key the block is. The kinds are told apart by the key's own algorithm identifier, so
    /// at most one fits.
    private static func pemAlgorithm(_ block: PEMBlock) async -> (any JWTAlgorithm)? {
        let pem = block.text
        let certificate = block.label == "CERTIFICATE"
        let attempts: [(JWTKeyCollection) async throws -> Void] = [
            { keys in
                let key =
                    try certificate ? Insecure.RSA.PublicKey(certificatePEM: pem) : Insecure.RSA.PublicKey(pem: pem)
                await keys.add(rsa: key, digestAlgorithm: .sha256)
            },
            { keys in
                await keys.add(ecdsa: try certificate ? ES256PublicKey(certificate: pem) : ES256PublicKey(pem: pem))
            },
            { keys in
                await keys.add(ecdsa: try certificate ? ES384PublicKey(certificate: pem) : ES384PublicKey(pem: pem))
            },
            { keys in
                await keys.add(ecdsa: try certificate ? ES512PublicKey(certificate: pem) : ES512PublicKey(pem: pem))
            },
            { keys in await keys.add(eddsa: try EdDSA.PublicKey(pem: pem)) },
        ]
        for attempt in attempts {
            if let algorithm = try? await algorithm(nil, attempt) { return algorithm }
        }
        return nil
    }
}
