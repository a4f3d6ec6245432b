import Foundation
import NIOPosix
import OutgoingHTTP

/// Asks a node, or a relay with `relay.listen`, about itself, by what it tells load balancers and Prometheus.
enum NodeLook {
    private static let patience: Duration = .seconds(5)
    private static let bytesMax = 4 * 1024 * 1024

    /// What it said.
    struct Answer: Sendable {
        var findings: [Finding]
        /// `nil` when its metrics are not to be had.
        var version: String?
    }

    /// The body of `/health/ready`.
    private struct Health: Decodable {
        struct Check: Decodable {
            let state: String
            let reason: String?
        }

        let status: String
        let checks: [String: Check]
    }

    /// - Parameter url: without a path: `http://node-1:8080`.
    static func ask(_ url: String, now: Date, _ thresholds: DoctorThresholds) async -> Answer {
        let client = OutgoingHTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        let base = url.hasSuffix("/") ? String(url.dropLast()) : url
        var answer = await health(base, client)
        if answer.findings.first?.code != "node-unreachable", let text = try? await metrics(base, client) {
            answer.version = text.firstMatch(of: /belfry_build_info\{[^}]*version="([^"]*)"/).map { String($0.1) }
            if let end = text.firstMatch(of: /\nbelfry_tls_certificate_not_after_seconds ([0-9.e+]+)/).flatMap({
                Double($0.1)
            }) {
                answer.findings.append(
                    MachineJudge.certificate(
                        "The TLS certificate", file: base, notAfter: Date(timeIntervalSince1970: end), now: now,
                        thresholds))
            }
        }
        await client.shutdown()
        return answer
    }

    private static func metrics(_ base: String, _ client: OutgoingHTTPClient) async throws -> String? {
        let answer = try await client.ask(
            OutgoingRequest(.get, "\(base)/metrics"), timeout: patience, bytesMax: bytesMax)
        return answer.status == 200 ? String(buffer: answer.body) : nil
    }

    private static func health(_ base: String, _ client: OutgoingHTTPClient) async -> Answer {
        let mend = "curl -i \(base)/health/ready"
        do {
            let answer = try await client.ask(
                OutgoingRequest(.get, "\(base)/health/ready"), timeout: patience, bytesMax: bytesMax)
            if let findings = judge(Data(buffer: answer.body), base, mend: mend) { return Answer(findings: findings) }
            guard answer.status != 503 else {
                let reason = String(buffer: answer.body).trimmingCharacters(in: .whitespacesAndNewlines).prefix(200)
                return Answer(findings: [
                    Finding("node-not-ready", .critical, "\(base) is not ready: \(reason)", mend: mend)
                ])
            }
            return unreachable(
                "\(base) answers with status \(answer.status), and not as a process of Belfry does.", mend)
        } catch {
            return unreachable("\(base) can't be asked from here: \(error).", mend)
        }
    }

    private static func unreachable(_ sentence: String, _ mend: String) -> Answer {
        Answer(findings: [Finding("node-unreachable", .warning, sentence, mend: mend)])
    }

    /// What the body of an answer tells; `nil` when it is no process of Belfry's.
    ///
    /// - Parameters:
    ///   - base: what it is called in a sentence.
    ///   - mend: shows the same.
    static func judge(_ body: Data, _ base: String, mend: String) -> [Finding]? {
        guard let health = try? JSONDecoder().decode(Health.self, from: body) else { return nil }
        let findings = health.checks.sorted { $0.key < $1.key }.compactMap { name, check -> Finding? in
            let reason = check.reason ?? ""
            switch (check.state, name) {
            case ("up", _): return nil
            case ("down", _):
                return Finding("node-not-ready", .critical, "\(base) is not ready (\(name)): \(reason)", mend: mend)
            case (_, "redis"):
                return Finding(
                    "node-redis-away", .warning, "\(base) does not reach Redis: \(reason)",
                    mend: "redis-cli -u \"$BELFRY_REDIS_URL\" ping  # on that machine")
            default:
                return Finding("node-degraded", .warning, "\(base) is degraded (\(name)): \(reason)", mend: mend)
            }
        }
        guard findings.isEmpty else { return findings }
        guard health.status == "ready" else {
            return [Finding("node-not-ready", .critical, "\(base) says that it is \(health.status).", mend: mend)]
        }
        let names = health.checks.keys.sorted().joined(separator: ", ")
        return [Finding("node-ready", .ok, "\(base) is ready, and reaches what it needs: \(names).")]
    }
}
