import Foundation
import JWTAuthentication
import Listening

/// Looks at what this machine has: certificates and keys that the settings name.
struct MachineLook {
    let configuration: BelfryConfiguration
    let thresholds: DoctorThresholds
    let now: Date

    /// - Parameter redisAuthorities: the file of `?ca=` in `redis.url`.
    func certificates(redisAuthorities: String?) async -> [Finding] {
        var findings: [Finding] = []
        if let certificates = configuration.tlsCertificates, let key = configuration.tlsKey {
            findings.append(served(certificates, key))
        }
        if let redisAuthorities {
            findings.append(dates(of: redisAuthorities, "A certificate authority for Redis"))
        }
        if let keys = configuration.jwtKeys { findings.append(await tokenKeys(keys)) }
        return findings
    }

    private func served(_ certificates: String, _ key: String) -> Finding {
        do {
            try TLSFiles(certificates: certificates, key: key, keyPassword: configuration.tlsKeyPassword).check()
        } catch {
            return MachineJudge.unusable("\(error)", file: certificates)
        }
        return dates(of: certificates, "The TLS certificate, or one that vouches for it,")
    }

    private func dates(of file: String, _ what: String) -> Finding {
        do {
            let dates = try CertificateDates(file: file)
            return MachineJudge.certificate(what, file: file, notAfter: dates.notAfter, now: now, thresholds)
        } catch {
            return MachineJudge.unusable("\(error)", file: file)
        }
    }

    /// Public keys have no end, unless they stand in certificates.
    private func tokenKeys(_ file: String) async -> Finding {
        do throws(JWTKeysError) {
            _ = try await JWTKeys.file(file)
        } catch {
            return Finding(
                "jwt-keys-unusable", .critical, "\(error)", mend: "ls -l '\(file)'  # PEM or JWKS is wanted")
        }
        guard let text = try? String(contentsOfFile: file, encoding: .utf8), text.contains("BEGIN CERTIFICATE") else {
            return Finding("jwt-keys", .ok, "The keys in '\(file)' can be used, and have no end.")
        }
        return dates(of: file, "A certificate with a key for tokens")
    }
}
