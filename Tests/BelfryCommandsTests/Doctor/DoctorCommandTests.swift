import DatabaseSupport
import Foundation
import Testing

@testable import BelfryCommands

/// `belfry doctor` as a person or a machine runs it.
struct DoctorCommandTests {
    private func doctor(_ arguments: String..., url: String? = nil) async throws -> BelfryProgram.Outcome {
        try await BelfryProgram.run(
            ["doctor", "--watch", "0s"] + arguments, environment: url.map { ["BELFRY_POSTGRES_URL": $0] } ?? [:])
    }

    @Test func theExitStatusIsTheWorst() {
        func status(_ severities: Finding.Severity...) -> Int32 {
            DoctorReport(findings: severities.map { Finding("x", $0, "X.") }).exitStatus
        }
        #expect(status() == 0)
        #expect(status(.ok, .note) == 0)
        #expect(status(.warning, .ok) == 1)
        #expect(status(.warning, .critical, .note) == 2)
    }

    @Test func itSaysSentencesWithTheirCommands() async throws {
        let database = try await TestServer.makeDatabase()
        let outcome = try await doctor(url: database.operatorURL)
        #expect(outcome.status == 2, "no relay leads, and fsync is off")
        let lines = outcome.output.split(separator: "\n").map(String.init)
        #expect(lines.first?.hasPrefix("critical  ") == true, "the worst first")
        let place = try #require(lines.firstIndex { $0.hasSuffix("[leader-missing]") })
        #expect(lines[place + 1] == "          → belfry relay  # or belfry serve")
        #expect(lines.last?.contains(" critical, ") == true)
        #expect(outcome.errors.isEmpty, "\(outcome.errors)")
    }

    @Test func itSaysJSON() async throws {
        let database = try await TestServer.makeDatabase()
        let outcome = try await doctor("--json", "--repair", url: database.operatorURL)
        #expect(outcome.status == 2)
        let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        #expect(object?["severity"] as? String == "critical")
        #expect(object?["repairs"] as? [String] == ["There was nothing to repair."])
        let findings = try #require(object?["findings"] as? [[String: Any]])
        let leader = try #require(findings.first { $0["code"] as? String == "leader-missing" })
        #expect(leader["severity"] as? String == "critical" && leader["command"] is String)
        #expect(leader["sentence"] as? String == "No relay has led yet: nothing is published.")
    }

    @Test func faultySettingsAndWrongUsage() async throws {
        let faulty = try await doctor("--set", "limits.sesionsMax=1")
        #expect(faulty.status == 2 && faulty.output.contains("[settings-faulty]"))
        #expect(faulty.output.contains("did you mean limits.sessionsMax?"))
        for arguments in [["--watch", "soon"], ["--log-rows", "0"], ["--node", "node-1"]] {
            #expect(try await BelfryProgram.run(["doctor"] + arguments).status == 64)
        }
        let help = try await BelfryProgram.run(["doctor", "--help"])
        #expect(help.output.contains("exit status is 0"))
    }

    /// What an application calls itself comes to the terminal of whoever is on call.
    @Test func textOfOthersCommandsNoTerminal() {
        let report = DoctorReport(findings: [Finding("x", .warning, "A query: \u{1B}[2J\nok        All is well.")])
        #expect(!report.text.contains("\u{1B}") && report.text.split(separator: "\n").count == 2)
    }
}
