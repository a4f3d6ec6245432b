import BelfryModel
import Foundation
import Testing

@testable import Webhooks

@Suite struct SigningSecretsTests {
    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    private static let body = Data(#"{"test": 2432232314}"#.utf8)

    /// The example of Standard Webhooks' own libraries.
    @Test func `the signature is that of the specification`() throws {
        let secrets = try SigningSecrets(parsing: Self.secret)
        #expect(
            secrets.signature(id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Self.body)
                == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test func `two secrets sign side by side, the first one first`() throws {
        let other = "whsec_" + Data(repeating: 7, count: 32).base64EncodedString()
        let both = try SigningSecrets(parsing: "\(Self.secret), \(other)\n")
        let (one, two) = (try SigningSecrets(parsing: Self.secret), try SigningSecrets(parsing: other))
        func sign(_ secrets: SigningSecrets) -> String { secrets.signature(id: "m", timestamp: 1, body: Self.body) }
        #expect(sign(both) == sign(one) + " " + sign(two))
        #expect(sign(one) != sign(two))
    }

    @Test(arguments: [
        "", "secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_not base64", "whsec_c2hvcnQ=",
        "whsec_" + Data(repeating: 1, count: 23).base64EncodedString(),
        "whsec_" + Data(repeating: 1, count: 65).base64EncodedString(),
        "\(secret) \(secret) \(secret)",
    ])
    func `what is no secret is refused, without being told`(text: String) {
        let error = #expect(throws: WebhookProblem.self) { try SigningSecrets(parsing: text) }
        #expect(error?.description.contains("MfKQ") == false)
    }

    @Test func `printed, it shows nothing`() throws {
        let secrets = try SigningSecrets(parsing: Self.secret)
        #expect("\(secrets)" == "SigningSecrets(…)")
        #expect(String(reflecting: [secrets]).contains("SigningSecrets(…)"))
    }

    @Test func `a file is read again, and one that became unreadable changes nothing`() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "secret-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var policy = EscalationPolicy()
        policy.secretFile = path
        #expect(SecretSource.problem(of: policy)?.contains(path) == true)
        try Self.secret.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(SecretSource.problem(of: policy) == nil)
        let source = SecretSource(policy: policy)
        _ = try source.current().get()
        try FileManager.default.removeItem(atPath: path)
        #expect(SecretSource.problem(of: policy) != nil)
        _ = try source.current().get()
        policy.secret = Self.secret
        #expect(SecretSource.problem(of: policy)?.contains("Both") == true)
    }

    @Test func `without a secret it is said how to give one`() {
        let answer = SecretSource(policy: EscalationPolicy()).current()
        #expect(throws: WebhookProblem.self) { try answer.get() }
        #expect(SecretSource.problem(of: EscalationPolicy()) == nil, "a relay without rules needs none")
    }
}
