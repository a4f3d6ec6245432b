import Foundation
import JWTAuthentication
import Listening
import Outbox

/// Looks at what this machine has: certificates and keys that the settings name, and nodes' file descriptors.
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

    /// Of nodes that run on this machine, where their processes can be seen.
    func descriptors(_ nodes: [OperatorStatus.Node]) -> [Finding] {
        nodes.filter { $0.host == ProcessName.host }.compactMap { node in
            let folder = "/proc/\(node.processID)"
            guard let name = try? String(contentsOfFile: "\(folder)/comm", encoding: .utf8), name.hasPrefix("belfry"),
                let limits = try? String(contentsOfFile: "\(folder)/limits", encoding: .utf8),
                let limit = limits.firstMatch(of: /Max open files +(\d+)/).flatMap({ Int($0.1) })
            else { return nil }
            // Hidden from other users; each session has one at least.
            let open = try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/fd").count
            return MachineJudge.descriptors(
                DescriptorFacts(
                    process: node.processID, listen: node.listen, limit: limit, used: open ?? node.sessions,
                    sessionsMax: configuration.limits.sessionsMax), thresholds)
        }
    }
}
