import Authentication
import BelfryModel
import DatabaseSupport
import Foundation
import STOMP
import TestBasics
import TestSupport
import Testing

/// What the operators' console asks for, by HTTP and by STOMP, and who may.
@Suite struct ConsoleTests {
    /// `guest` is no operator, `viewer` may look, all others may act.
    private struct Staff: Authenticator {
        func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
            let user = credentials.token ?? ""
            let right: OperatorRight = user == "guest" ? .none : user == "viewer" ? .view : .act
            let sends = [DestinationPattern("/user/**")].compactMap(\.self)
            return .now(.success(Identity(user: user, rights: Rights(sends: sends, operatorRight: right))))
        }
    }

    private static let views = [
        "me", "overview", "series", "messages", "message?id=1", "user?user=alice", "sessions?user=alice", "parked",
        "parkedMessages", "types", "processes", "jobs", "job?id=1", "audit", "doctor",
    ]

    private static let acts: [(method: String, path: String, body: String)] = [
        ("POST", "messages/1/replay", "{}"), ("POST", "messages/1/cancel", "{}"),
        ("POST", "parked/replay", #"{"all":true}"#), ("POST", "parked/cancel", #"{"all":true}"#),
        ("PUT", "types/ORDER", #"{"schema":true}"#),
    ]

    private func ask(
        _ method: String, _ path: String, _ belfry: Installation, token: String = "root", body: String? = nil
    ) async throws -> HTTPAnswer {
        try await HTTPAnswer.ask(
            method, "/api/v1/operator/\(path)", port: belfry.port, token: token, json: body)
    }

    private func withConsole(_ body: (Installation) async throws -> Void) async throws {
        try await Installation.with(authenticator: Staff(), configure: { $0.console = .atHTTP }, body)
    }

    @Test func whoIsNoOperatorSeesNothingAndWhoMayLookDoesNotAct() async throws {
        try await withConsole { belfry in
            try await belfry.application.notify("alice")
            for view in Self.views {
                #expect(try await ask("GET", view, belfry, token: "guest").problem == "403 forbidden", "\(view)")
                let seen = try await ask("GET", view, belfry, token: "viewer")
                #expect(seen.status == (view.hasPrefix("job?") ? 404 : 200), "\(view) \(seen)")
            }
            for act in Self.acts {
                for user in ["guest", "viewer"] {
                    let answer = try await ask(act.method, act.path, belfry, token: user, body: act.body)
                    #expect(answer.problem == "403 forbidden", "\(user) \(act.path)")
                }
            }
            // Looking first is no act.
            for (path, body) in [
                ("messages/1/replay", #"{"dryRun":true}"#), ("parked/cancel", #"{"all":true,"dryRun":true}"#),
            ] {
                #expect(try await ask("POST", path, belfry, token: "viewer", body: body).status == 200)
                #expect(try await ask("POST", path, belfry, token: "guest", body: body).problem == "403 forbidden")
            }
            #expect(try await ask("GET", "me", belfry, token: "viewer").object["mayAct"] as? Bool == false)
            for path in ["/api/v1/replay-jobs", "/api/v1/users/alice/sessions"] {
                let method = path.hasSuffix("sessions") ? "DELETE" : "POST"
                let answer = try await HTTPAnswer.ask(
                    method, path, port: belfry.port, token: "viewer",
                    json: method == "POST" ? #"{"receiver":"alice"}"# : nil)
                #expect(answer.problem == "403 forbidden")
            }
            #expect(try await belfry.application.value("select count(*) from belfry.audit") == "0")
        }
    }

    @Test func everyActIsDoneAndKeptWithItsUser() async throws {
        try await withConsole { belfry in
            for _ in 1...2 { try await belfry.application.notify("alice") }
            let dry = try await ask("POST", "messages/1/replay", belfry, body: #"{"dryRun":true}"#)
            #expect(dry.object["action"] as? String == "publish again", "\(dry)")
            // There is no dry run of this one.
            let hoped = try await ask("POST", "messages/1/cancel", belfry, body: #"{"dryRun":true}"#)
            #expect(hoped.problem == "400 invalid")
            #expect(try await ask("POST", "messages/1/cancel", belfry).object["cancelled"] as? Bool == true)
            #expect(try await ask("POST", "messages/1/cancel", belfry).object["cancelled"] as? Bool == false)
            let again = try await ask("POST", "messages/1/replay", belfry, body: "{}")
            #expect(again.object["previousStatus"] as? String == "cancelled", "\(again)")
            #expect(try await ask("POST", "messages/77/replay", belfry, body: "{}").problem == "404 notFound")
            let typo = try await ask("POST", "messages/1/replay", belfry, body: #"{"dryrun":true}"#)
            #expect(typo.problem == "400 invalid")

            let made = try await ask(
                "PUT", "types/ORDER", belfry, body: #"{"schema":{"type":"object","required":["n"]}}"#)
            #expect(made.object["name"] as? String == "ORDER", "\(made)")
            let sample = try await ask("POST", "check-sample", belfry, body: #"{"type":"ORDER","data":{"m":1}}"#)
            #expect(sample.object["dataProblem"] as? String == "data.n is required, but missing")
            #expect(try await ask("PUT", "types/NOTICE", belfry, body: #"{"schema":true}"#).problem == "400 invalid")

            let acts = (try await ask("GET", "audit", belfry).object["acts"] as? [[String: Any]]) ?? []
            #expect(acts.allSatisfy { $0["actor"] as? String == "root" })
            #expect(acts.compactMap { $0["act"] as? String }.contains("type_changed"))
            // Both messages reach alice, the cancelled one after all.
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "s")
            #expect(Set(try await alice.nextMessages(2).compactMap { $0.headers["message-id"] }) == ["1", "2"])
        }
    }

    @Test func aMessageIsTracedFromItsRowToItsAcknowledgement() async throws {
        try await withConsole { belfry in
            try await belfry.application.notify("alice")
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "s")
            let message = try await alice.nextMessage()
            let found = try await ask("GET", "messages?receiver=alice", belfry).object
            let listed = (found["messages"] as? [[String: Any]])?.first
            #expect(listed?["id"] as? String == "1" && listed?["status"] as? String == "pending")
            #expect((found["looked"] as? [String: Any])?["by"] as? String == "receiver")
            try await alice.ack(message, receipt: "a")
            let one = try await ask("GET", "message?id=1", belfry).object
            #expect((one["message"] as? [String: Any])?["status"] as? String == "delivered")
            let user = try await ask("GET", "user?user=alice", belfry).object
            #expect(user["pending"] as? Int == 0 && user["unviewed"] as? Int == 1)
        }
    }

    @Test func theSameIsHadOverTheSocket() async throws {
        try await withConsole { belfry in
            let operatorClient = try await belfry.connect("viewer")
            let guest = try await belfry.connect("guest")
            for client in [operatorClient, guest] { try await client.subscribe("/user/queue/reply", receipt: "r") }
            func ask(_ client: STOMPClient, _ body: String) async throws -> Frame {
                try await client.send(
                    Frame(
                        .send, ["destination": "/app/operator", "correlation-id": "7"], body: .init(string: body)))
                return try await client.nextMessage()
            }
            let overview = try await ask(operatorClient, #"{"view":"overview"}"#)
            #expect(overview.headers["correlation-id"] == "7" && overview.text.contains("\"problems\""))
            let faulty = try await ask(operatorClient, #"{"view":"nope"}"#)
            #expect(faulty.headers["error"] == "invalid" && faulty.text.contains("there are me, overview"))
            #expect(try await ask(guest, #"{"view":"overview"}"#).headers["error"] == "forbidden")
        }
    }

    @Test func aPortOfItsOwnServesItAndNoOther() async throws {
        try await Installation.with(
            authenticator: Staff(), configure: { $0.console = .own(.init(host: "127.0.0.1", port: 0)) }
        ) { belfry in
            let own = belfry.nodes[0].consolePort
            #expect(own != 0 && own != belfry.port)
            for (port, status) in [(own, 200), (belfry.port, 404)] {
                let answer = try await HTTPAnswer.ask("GET", "/api/v1/operator/me", port: port, token: "root")
                #expect(answer.status == status)
                let page = try await HTTPAnswer.ask("GET", "/console", port: port, token: nil)
                #expect(page.status == status)
                let client = try await STOMPClient.connect(port: port, token: "root")
                try await client.subscribe("/user/queue/reply", receipt: "r")
                try await client.send(
                    Frame(
                        .send, ["destination": "/app/operator", "correlation-id": "1"],
                        body: .init(string: #"{"view":"me"}"#)))
                let reply = try await client.nextMessage()
                #expect((reply.headers["error"] == nil) == (port == own), "\(reply)")
            }
        }
        try await Installation.with(authenticator: Staff()) { belfry in
            let answer = try await HTTPAnswer.ask("GET", "/api/v1/operator/me", port: belfry.port, token: "root")
            #expect(answer.status == 404)
        }
    }

    @Test func whatNobodyDeliversIsCriticalAndFound() async throws {
        try await withConsole { belfry in
            let connection = belfry.application
            try await connection.run(
                """
                set session_replication_role = replica;
                insert into belfry.message_log (receiver, type, data) values ('alice', 'JSON_MSG', '1');
                set session_replication_role = origin;
                update belfry.unqueued set noted_at = now() - interval '2 minutes'
                """)
            try await eventually("it is told") {
                let problems = try await ask("GET", "overview", belfry).object["problems"] as? [[String: Any]]
                return problems?.contains { $0["code"] as? String == "unqueued" } == true
            }
            let found = try await ask("GET", "messages?status=pending", belfry).object
            #expect((found["messages"] as? [[String: Any]])?.first?["id"] as? String == "1")
        }
    }

    /// Of processes on other machines, by what they say of themselves.
    @Test func whatAProcessWillLackStandsOnTop() async throws {
        try await withConsole { belfry in
            try await belfry.application.run(
                """
                insert into belfry.process (id, kind, host, pid, version, started_at, clock_ahead, open_files,
                    files_max, certificate_ends_at) values
                    (gen_random_uuid(), 'node', 'n1', 1, '1', now(), 70, 10, 100, now() + interval '36 hours'),
                    (gen_random_uuid(), 'node', 'n2', 2, '1', now(), -1, 80, 100, now() - interval '1 hour')
                """)
            let told = try await eventually("it is told") {
                let problems = try await ask("GET", "overview", belfry).object["problems"] as? [[String: Any]]
                let told = (problems ?? []).compactMap { $0["sentence"] as? String }.filter { $0.contains(" on n") }
                return told.isEmpty ? nil : told
            }
            #expect(
                Set(told) == [
                    "belfry node on n1 (process 1): its clock is 70 s ahead of PostgreSQL's, so tokens are refused too "
                        + "early or too late.",
                    "belfry node on n1 (process 1): the TLS certificate that it serves expires in 1 day.",
                    "belfry node on n2 (process 2) has 80 of its 100 file descriptors open; without one it takes no "
                        + "connection.",
                    "belfry node on n2 (process 2): the TLS certificate that it serves has expired.",
                ])
        }
    }

    @Test func aLockedTableIsNamedAndTheOverviewStillAnswers() async throws {
        try await withConsole { belfry in
            let holder = try await Application.connect(belfry.databaseURL)
            try await holder.run("begin; lock table belfry.message_log in access exclusive mode")
            let overview = try await ask("GET", "overview", belfry)
            #expect(overview.status == 200, "\(overview)")
            let problems = overview.object["problems"] as? [[String: Any]]
            #expect(problems?.first?["code"] as? String == "database-silent" && overview.object["pending"] is NSNull)
            try await holder.run("rollback")
            await holder.close()
        }
    }

    @Test func whoCancelledStandsOnTheMessage() async throws {
        try await withConsole { belfry in
            try await belfry.application.notify("alice")
            _ = try await ask("POST", "messages/1/cancel", belfry, token: "nina")
            #expect(
                try await belfry.application.value("select status_reason from belfry.message_log")
                    == "Cancelled by nina.")
        }
    }

    @Test func aReplayOfWhatIsOldIsNoLag() async throws {
        try await withConsole { belfry in
            try await belfry.application.run(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'alice', 'JSON_MSG', to_jsonb(i) from generate_series(1, 200) i;
                update belfry.message_log set created_at = now() - interval '1 day'
                """)
            try await eventually("all are published") {
                try await ask("GET", "overview", belfry).object["lagRows"] as? Int == 0
            }
            let holder = try await Application.connect(belfry.databaseURL)
            // Seen by the operator, and not by the relay, which can't take it on.
            try await holder.run("begin; lock table belfry.relay_cursor in exclusive mode")
            try await belfry.application.run("select * from belfry.replay(receiver => 'alice')")
            var seconds: Double?
            try await eventually("they are behind") {
                let behind = try await ask("GET", "overview", belfry).object
                seconds = behind["lagSeconds"] as? Double
                return behind["lagRows"] as? Int == 200
            }
            #expect(try #require(seconds) < 60)
            try await holder.run("rollback")
            await holder.close()
        }
    }
}
