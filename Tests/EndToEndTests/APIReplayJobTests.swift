import Authentication
import BelfryModel
import DatabaseSupport
import Foundation
import TestBasics
import TestSupport
import Testing

/// Replays as jobs over HTTP, and what is told of what operators did.
@Suite struct APIReplayJobTests {
    /// Everybody but `guest` is an operator, and may send.
    private struct Staff: Authenticator {
        func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
            let user = credentials.token ?? ""
            let sends = [DestinationPattern("/user/**")].compactMap(\.self)
            return .now(
                .success(
                    Identity(user: user, rights: Rights(sends: sends, operatorRight: user == "guest" ? .none : .act))))
        }
    }

    private func ask(
        _ method: String, _ path: String, _ belfry: Installation, token: String = "root", body: String? = nil
    ) async throws -> HTTPAnswer {
        try await HTTPAnswer.ask(method, path, port: belfry.port, token: token, json: body)
    }

    private func expire(_ count: Int, _ belfry: Installation) async throws {
        try await belfry.application.run(
            """
            insert into belfry.message_log (receiver, type, data, expires_at)
            select 'alice', 'JSON_MSG', to_jsonb(i), now() - interval '1 second' from generate_series(1, \(count)) i
            """)
        try await eventually("all have expired") {
            try await belfry.application.value("select count(*) from belfry.message_log where status = 'expired'")
                == "\(count)"
        }
    }

    @Test func aJobIsTriedMadeAndFollowed() async throws {
        try await Installation.with(authenticator: Staff()) { belfry in
            try await expire(12, belfry)
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "s")
            let criteria = #""receiver":"alice","status":"expired","since":1,"until":"2100-01-01T00:00:00Z""#
            let dry = try await ask(
                "POST", "/api/v1/replay-jobs", belfry, body: "{\(criteria),\"dryRun\":true,\"rate\":4}")
            #expect(dry.status == 200, "\(dry)")
            #expect(dry.object["matched"] as? Int == 12 && dry.object["isComplete"] as? Bool == true)
            #expect(dry.object["estimatedSeconds"] as? Int == 3)
            #expect((dry.object["sample"] as? [String])?.count == 10)

            let made = try await ask("POST", "/api/v1/replay-jobs", belfry, body: "{\(criteria),\"rate\":100}")
            #expect(made.status == 202 && made.object["state"] as? String == "running", "\(made)")
            let id = try #require(made.object["id"] as? String)
            for _ in 1...12 { _ = try await alice.nextMessage() }
            try await eventually("it is done") {
                let job = try await ask("GET", "/api/v1/replay-jobs/\(id)", belfry)
                return job.object["state"] as? String == "done" && job.object["progress"] as? Double == 1
            }
            let job = try await ask("GET", "/api/v1/replay-jobs/\(id)", belfry).object
            #expect(job["queued"] as? Int == 12 && job["createdBy"] as? String == "root")
            let shown = job["criteria"] as? [String: Any]
            #expect(shown?["status"] as? String == "expired" && shown?["since"] as? Int == 1)

            let again = try await ask("POST", "/api/v1/replay-jobs/\(id)/cancel", belfry)
            #expect(again.problem == "422 conflict")
            #expect(again.object["detail"] as? String == "Job 1 is done and cannot be cancelled.")
            #expect(try await ask("POST", "/api/v1/replay-jobs/99/pause", belfry).problem == "404 notFound")
            #expect(try await ask("GET", "/api/v1/replay-jobs/99", belfry).problem == "404 notFound")
            #expect(try await ask("GET", "/api/v1/replay-jobs/0", belfry).problem == "400 invalid")
        }
    }

    @Test func aJobIsPausedResumedAndCancelled() async throws {
        try await Installation.with(authenticator: Staff()) { belfry in
            try await expire(50, belfry)
            for _ in 1...3 {
                let made = try await ask("POST", "/api/v1/replay-jobs", belfry, body: #"{"type":"JSON_MSG","rate":1}"#)
                #expect(made.status == 202)
            }
            for (change, state) in [("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")] {
                let answer = try await ask("POST", "/api/v1/replay-jobs/2/\(change)", belfry)
                #expect(answer.status == 200 && answer.object["state"] as? String == state, "\(answer)")
            }
            let page = try await ask("GET", "/api/v1/replay-jobs?limit=2", belfry).object
            #expect((page["jobs"] as? [[String: Any]])?.compactMap { $0["id"] as? String } == ["3", "2"])
            #expect(page["before"] as? String == "2")
            let rest = try await ask("GET", "/api/v1/replay-jobs?before=2", belfry).object
            #expect((rest["jobs"] as? [[String: Any]])?.compactMap { $0["id"] as? String } == ["1"])
            #expect(rest["before"] is NSNull)
        }
    }

    @Test(arguments: [
        (#"{}"#, "Replay needs at least one of ids"), (#"{"status":"lost"}"#, "There is no status \"lost\"."),
        (#"{"status":"delivered"}"#, "include_delivered"), (#"{"receiver":"a","rate":0}"#, "The rate is 1 to 10000"),
        (#"{"reciever":"a"}"#, "The body's member 'reciever' is not as in"),
        (#"{"since":"yesterday"}"#, "The body's member 'since' is not as in"),
        (#"{"ids":["x"]}"#, "The body's member 'ids' is not as in"), ("[]", "The body is not as in"),
        (#"{"receiver":"a","until":null}"#, "The body's member 'until' is not as in"),
        (#"{"receiver":""}"#, "leave out one that is not to choose"),
        (#"{"receiver":"a\u0000"}"#, "no character U+0000"), (#"{"ids":[]}"#, "The ids of a job are at least one"),
    ])
    func whatCannotBeIsRefused(body: String, sentence: String) async throws {
        try await Installation.with(authenticator: Staff()) { belfry in
            let answer = try await ask("POST", "/api/v1/replay-jobs", belfry, body: body)
            #expect(answer.problem == "400 invalid")
            let detail = answer.object["detail"] as? String ?? ""
            #expect(detail.contains(sentence), "\(detail)")
        }
    }

    @Test func onlyOperatorsMay() async throws {
        try await Installation.with(authenticator: Staff()) { belfry in
            let jobs = "/api/v1/replay-jobs"
            for (method, path) in [
                ("POST", jobs), ("GET", jobs), ("GET", "\(jobs)/1"), ("POST", "\(jobs)/1/pause"),
                ("POST", "\(jobs)/1/resume"), ("POST", "\(jobs)/1/cancel"), ("GET", "/api/v1/audit"),
            ] {
                let body = path == jobs && method == "POST" ? #"{"receiver":"guest"}"# : nil
                let answer = try await ask(method, path, belfry, token: "guest", body: body)
                #expect(answer.problem == "403 forbidden", "\(method) \(path)")
            }
            #expect(try await belfry.application.value("select count(*) from belfry.replay_job") == "0")
        }
    }

    @Test func whatOperatorsDidIsTold() async throws {
        try await Installation.with(authenticator: Staff()) { belfry in
            let id = try await belfry.application.notify("alice")
            #expect(try await ask("DELETE", "/api/v1/users/alice/sessions", belfry, token: "ann").status == 200)
            #expect(try await ask("DELETE", "/api/v1/messages/\(id)", belfry, token: "ben").status == 204)
            let body = #"{"receiver":"alice","status":"cancelled"}"#
            #expect(try await ask("POST", "/api/v1/replay-jobs", belfry, token: "cleo", body: body).status == 202)
            let first = try await ask("GET", "/api/v1/audit?limit=2", belfry).object
            let acts = try #require(first["acts"] as? [[String: Any]])
            #expect(acts.map { $0["act"] as? String } == ["replay_job_created", "cancel"])
            #expect(acts.map { $0["actor"] as? String } == ["cleo", "ben"])
            #expect((acts[1]["details"] as? [String: Any])?["id"] as? String == "\(id)")
            let age = Date().timeIntervalSince1970 * 1_000 - (acts[0]["at"] as? Double ?? 0)
            #expect((0...60_000).contains(age))
            let before = try #require(first["before"] as? String)
            let next = try await ask("GET", "/api/v1/audit?before=\(before)", belfry).object
            let rest = try #require(next["acts"] as? [[String: Any]])
            #expect(rest.map { $0["act"] as? String } == ["disconnect"])
            #expect(rest.map { $0["actor"] as? String } == ["ann"])
            #expect((rest[0]["details"] as? [String: Any])?["user"] as? String == "alice")
            #expect(next["before"] is NSNull)
        }
    }
}
