import Authentication
import BelfryModel
import DatabaseSupport
import Foundation
import TestBasics
import TestSupport
import Testing

/// What operators see and do of others' sessions, over all nodes.
@Suite struct APIOperatorTests {
    /// Everybody but `guest` is an operator.
    private struct Staff: Authenticator {
        func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
            let user = (credentials.token ?? "").prefix { $0 != "#" }
            return .now(
                .success(
                    Identity(user: String(user), rights: Rights(operatorRight: user == "guest" ? .none : .act))))
        }
    }

    private static func sessions(_ answer: HTTPAnswer) -> [[String: Any]] {
        answer.object["sessions"] as? [[String: Any]] ?? []
    }

    @Test func sessionsOfAllNodesAreListed() async throws {
        let redis = try await TestServers.shared.sharedRedis()
        try await Installation.with(bus: .redis(redis), nodes: 2, authenticator: Staff()) { belfry in
            let first = try await belfry.connect("alice#1")
            let second = try await belfry.connect("alice#2", node: 1)
            _ = try await belfry.connect("bob")
            try await first.subscribe("/user/queue/msg", receipt: "s")
            try await second.subscribe("/topic/news", receipt: "s")
            for _ in 0..<3 { try await belfry.application.notify("alice") }
            for _ in 0..<3 { _ = try await first.nextMessage() }

            var listed: [[String: Any]] = []
            try await eventually("both are told of") {
                let answer = try await HTTPAnswer.ask(
                    "GET", "/api/v1/users/alice/sessions", port: belfry.nodes[1].port, token: "root")
                // Which of two that came together is older depends on which is on the books first.
                listed = Self.sessions(answer).sorted {
                    ($0["topics"] as? [String] ?? []).count < ($1["topics"] as? [String] ?? []).count
                }
                return listed.count == 2 && listed[1]["topics"] as? [String] == ["news"]
            }
            #expect(listed.map { $0["unacknowledged"] as? Int } == [3, 0])
            #expect(listed.allSatisfy { $0["user"] as? String == "alice" && $0["transport"] as? String == "websocket" })
            #expect(listed.allSatisfy { $0["address"] as? String == "127.0.0.1" })
            let nodes = listed.compactMap { ($0["node"] as? [String: Any])?["id"] as? String }
            #expect(Set(nodes).count == 2)
            let age = Date().timeIntervalSince1970 * 1_000 - (listed[0]["since"] as? Double ?? 0)
            #expect((0...60_000).contains(age))

            let ofTopic = try await HTTPAnswer.ask(
                "GET", "/api/v1/topics/news/sessions", port: belfry.port, token: "root")
            #expect(Self.sessions(ofTopic).compactMap { $0["id"] as? String } == [listed[1]["id"] as? String])
            let nobody = try await HTTPAnswer.ask(
                "GET", "/api/v1/users/a%2Fb%20%C3%A4/sessions", port: belfry.port, token: "root")
            #expect(nobody.status == 200 && Self.sessions(nobody).isEmpty)
        }
    }

    @Test func onlyOperatorsMay() async throws {
        try await Installation.with(authenticator: Staff()) { belfry in
            let guest = try await belfry.connect("guest")
            for (method, path) in [
                ("GET", "/api/v1/users/guest/sessions"), ("DELETE", "/api/v1/users/guest/sessions"),
                ("GET", "/api/v1/topics/news/sessions"),
            ] {
                let answer = try await HTTPAnswer.ask(method, path, port: belfry.port, token: "guest")
                #expect(answer.problem == "403 forbidden", "\(path)")
            }
            try await guest.subscribe("/user/queue/msg", receipt: "s")
        }
    }

    @Test func sessionsAreEndedAndMayComeBack() async throws {
        let redis = try await TestServers.shared.sharedRedis()
        try await Installation.with(bus: .redis(redis), nodes: 2, authenticator: Staff()) { belfry in
            let first = try await belfry.connect("alice#1")
            let second = try await belfry.connect("alice#2", node: 1)
            let bob = try await belfry.connect("bob")
            try await Self.presence(of: 3, belfry)
            let answer = try await HTTPAnswer.ask(
                "DELETE", "/api/v1/users/alice/sessions", port: belfry.port, token: "root")
            #expect(answer.object["ended"] as? Int == 2 && answer.object["tokensRefused"] as? Int == 0)
            #expect(try await first.ended() == 4010)
            #expect(try await second.ended() == 4010)
            try await bob.subscribe("/user/queue/msg", receipt: "s")
            _ = try await belfry.connect("alice#1")
        }
    }

    @Test func aTokenThatIsRefusedDoesNotComeBack() async throws {
        let redis = try await TestServers.shared.sharedRedis()
        try await Installation.with(bus: .redis(redis), nodes: 2, authenticator: Staff()) { belfry in
            let first = try await belfry.connect("alice#stolen")
            try await Self.presence(of: 1, belfry)
            let answer = try await HTTPAnswer.ask(
                "DELETE", "/api/v1/users/alice/sessions?refuse=true", port: belfry.port, token: "root")
            #expect(answer.object["ended"] as? Int == 1 && answer.object["tokensRefused"] as? Int == 1)
            #expect(try await first.ended() == 4010)
            for node in belfry.nodes {
                try await eventually("the node knows") {
                    try await HTTPAnswer.ask("GET", "/api/v1/unread", port: node.port, token: "alice#stolen").problem
                        == "401 unauthorized"
                }
                await #expect(throws: (any Error).self) {
                    try await STOMPClient.connect(port: node.port, token: "alice#stolen")
                }
            }
            _ = try await belfry.connect("alice#new")
            #expect(
                try await belfry.application.value("select token || until from belfry.refused_token")?
                    .hasSuffix("infinity") == true)
            // The operator takes it back.
            try await belfry.application.run("delete from belfry.refused_token")
            try await eventually("it may come back") {
                try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port, token: "alice#stolen").status
                    == 200
            }
        }
    }

    private static func presence(of count: Int, _ belfry: Installation) async throws {
        try await eventually("all are written down") {
            try await belfry.application.value("select count(*) from belfry.presence") == "\(count)"
        }
    }
}
