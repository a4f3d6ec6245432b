import DatabaseSupport
import Postgres
import Testing

@testable import BelfryCommands

/// What the doctor says of webhooks that do not reach the application.
struct DoctorEscalationTests {
    private static let url = "https://app.example/it's"

    private func examine(_ change: String) async throws -> DoctorReport {
        let database = try await TestServer.makeDatabase()
        let owner = try await database.connect()
        try await owner.run(
            """
            select belfry.escalate('JSON_MSG', '10 minutes', '\(Self.url.replacing("'", with: "''"))');
            insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG');
            \(change)
            """)
        await owner.close()
        return await Examination.of(database.operatorURL)
    }

    @Test func aRuleThatWorksIsInOrder() async throws {
        let report = try await examine("")
        #expect(report.has("escalation-works", .ok))
        let without = await Examination.of(try await TestServer.makeDatabase().operatorURL)
        #expect(!without.findings.contains { $0.code.hasPrefix("escalation") })
    }

    @Test func aRuleByWhichNothingIsSentIsNamedWithTheReason() async throws {
        let report = try await examine("update belfry.escalation_rule set problem = 'The relay has no secret.'")
        let finding = try #require(report.first("escalation-blocked"))
        #expect(finding.severity == .warning && finding.sentence.hasSuffix("The relay has no secret."))
    }

    @Test func aRuleThatTheApplicationEndedIsTurnedOnByTheCommand() async throws {
        let report = try await examine("update belfry.escalation_rule set is_enabled = false, problem = '410 Gone.'")
        let finding = try #require(report.first("escalation-off"))
        let command = #"belfry escalate JSON_MSG --after 600s --url 'https://app.example/it'\''s'"#
        #expect(finding.command?.hasPrefix(command) == true)
        #expect(!report.has("escalation-blocked"))
    }

    @Test func anApplicationThatAcceptsNothingIsNamedAfterAWhile() async throws {
        func failing(for time: String) async throws -> DoctorReport {
            try await examine(
                """
                update belfry.escalation_rule set failing_since = now() - interval '\(time)',
                    last_error = 'The application answered 500.';
                insert into belfry.escalation (message_id, type, counts_from, due_at, next_at)
                values (1, 'JSON_MSG', now(), now(), now())
                """)
        }
        #expect(try await failing(for: "1 minute").has("escalation-works"))
        let finding = try #require(try await failing(for: "10 minutes").first("escalation-failing"))
        #expect(finding.sentence.contains("1 message waits: The application answered 500."))
    }

    @Test func whatWasGivenUpIsCounted() async throws {
        let report = try await examine(
            """
            insert into belfry.escalation (message_id, type, state, counts_from, due_at)
            values (1, 'JSON_MSG', 'failed', now(), now())
            """)
        let finding = try #require(report.first("escalation-given-up"))
        #expect(finding.sentence.hasPrefix("1 webhook of the type JSON_MSG was given up"))
    }
}
