import JWTKit

extension JWTKeys {
    /// Bytes of a shared secret at least: RFC 7518, section 3.2, for HS256.
    public static let secretBytesMin = 32

    /// The keys of a shared secret: HS256 from 32 bytes on, HS384 from 48, HS512 from 64, as RFC 7518, section 3.2,
    /// wants a key at least as long as the hash.
    ///
    /// - Parameter secret: its UTF-8 bytes are the key.
    public static func secret(_ secret: String) async throws(JWTKeysError) -> JWTKeys {
        guard !secret.contains("-----BEGIN ") else {
            throw JWTKeysError(
                .weakSecret,
                "jwt.secret (BELFRY_JWT_SECRET) holds a PEM key: put it in a file and name that in jwt.keys "
                    + "(BELFRY_JWT_KEYS).")
        }
        let bytes = secret.utf8.count
        guard bytes >= secretBytesMin else {
            throw JWTKeysError(
                .weakSecret,
                "jwt.secret (BELFRY_JWT_SECRET) has \(bytes) bytes; at least \(secretBytesMin) are needed, such as "
                    + "'openssl rand -hex 32' makes.")
        }
        let digests: [(DigestAlgorithm, bytesMin: Int)] = [(.sha256, 32), (.sha384, 48), (.sha512, 64)]
        var keys: [Key] = []
        do {
            for (digest, bytesMin) in digests where bytes >= bytesMin {
                let algorithm = try await algorithm { collection in
                    await collection.add(hmac: HMACKey(from: secret), digestAlgorithm: digest)
                }
                keys.append(Key(id: nil, algorithm: algorithm))
            }
        } catch {
            throw JWTKeysError(.unusable, "jwt.secret (BELFRY_JWT_SECRET) can't be used as a key.", underlying: error)
        }
        return JWTKeys(keys: keys)
    }
}
