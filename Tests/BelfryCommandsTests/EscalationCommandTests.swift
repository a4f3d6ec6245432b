import BelfryModel
import DatabaseSupport
import Outbox
import Postgres
import Testing

@testable import BelfryCommands

/// `belfry escalate` and `belfry escalations`.
struct EscalationCommandTests {
    private func run(_ arguments: [String], _ database: TestDatabase) async throws -> BelfryProgram.Outcome {
        try await BelfryProgram.run(arguments, environment: ["BELFRY_POSTGRES_URL": database.operatorURL])
    }

    @Test func aRuleIsMadeListedAndRemoved() async throws {
        let database = try await TestServer.makeDatabase()
        let made = try await run(
            ["escalate", "JSON_MSG", "--after", "10m", "--url", "https://app.example/h"], database)
        #expect(made.status == 0 && made.output.hasPrefix("JSON_MSG\tafter 10 min\t0 waiting\t0 sent\t0 given up"))
        let rules = try await run(["escalations", "rules"], database)
        #expect(rules.output == made.output)
        #expect(try await run(["escalate", "JSON_MSG", "--stop"], database).status == 0)
        let again = try await run(["escalate", "JSON_MSG", "--stop"], database)
        #expect(again.status == 1 && again.errors.contains("has no rule"))
        let plain = try await run(
            ["escalate", "JSON_MSG", "--after", "10m", "--url", "http://app.example/h"], database)
        #expect(plain.status == 1 && plain.errors.contains("https"))
    }

    @Test func whatWasGivenUpIsListedAndTriedAgain() async throws {
        let database = try await TestServer.makeDatabase()
        let owner = try await database.connect()
        try await owner.run(
            """
            select belfry.escalate('JSON_MSG', '1 hour', 'https://app.example/h');
            insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG');
            insert into belfry.escalation (message_id, type, state, reason, counts_from, due_at, attempts)
            values (1, 'JSON_MSG', 'failed', E'The application answered 400.\\x1b[31m', now(), now(), 1)
            """)
        let listed = try await run(["escalations", "--state", "failed"], database)
        #expect(listed.output == "1\tJSON_MSG\tfailed\t1 try\tThe application answered 400.\u{FFFD}[31m\n")
        let retried = try await run(["escalations", "retry", "--id", "1"], database)
        #expect(retried.errors.contains("1 webhook is tried again."))
        #expect(try await run(["escalations", "--state", "waiting"], database).output.contains("\tdue"))
        #expect(try await run(["escalations", "--state", "lost"], database).status != 0)
        #expect(try await run(["escalations", "retry"], database).status != 0)
        await owner.close()
    }

    @Test func aTraceSaysWhatTheApplicationKnows() {
        var facts = MessageFacts()
        facts.now = 1_000
        var log = MessageFacts.Log()
        (log.receiver, log.type, log.status, log.createdAt) = ("alice", "JSON_MSG", "pending", 900)
        facts.log = log
        facts.queued = MessageFacts.Queued()
        var escalated = MessageFacts.Escalated()
        (escalated.state, escalated.dueAt, escalated.attempts) = ("waiting", 950, 2)
        (escalated.nextAt, escalated.lastError) = (1_040, "The application answered 500.")
        facts.escalation = escalated
        func report() -> TraceReport { TraceReport(MessageID(rawValue: 1), facts) }
        #expect(
            report().sentence.hasSuffix(
                "the application did not take the webhook yet: the next try is in 40 s. The application answered 500."))
        #expect(report().events.contains(.init(at: 950, what: "overdue by its type's rule")))
        (escalated.state, escalated.sentAt, escalated.nextAt) = ("sent", 990, nil)
        facts.escalation = escalated
        #expect(report().sentence.hasSuffix("The application was told of it, as it was not delivered in time."))
        #expect(
            report().events.contains(
                .init(at: 990, what: "escalated: the application accepted the webhook, after 2 tries")))
        (escalated.state, escalated.sentAt, escalated.reason) = ("failed", nil, "The application answered 400.")
        facts.escalation = escalated
        #expect(report().sentence.contains("could not be told of it: The application answered 400."))
    }
}
