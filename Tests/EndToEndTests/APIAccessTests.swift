import Authentication
import BelfryModel
import Gateway
import PrivateServers
import TestBasics
import TestSupport
import Testing

/// Who may ask for what, from where, how often.
@Suite struct APIAccessTests {
    /// Whose token names what they may send to; whoever has none may not.
    private struct Named: Authenticator {
        func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
            AuthenticationAnswer { () throws(AuthenticationError) in
                switch credentials.token ?? credentials.login ?? "" {
                case "": throw AuthenticationError(.missing, "no token was sent.")
                case "shop":
                    Identity(
                        user: "shop",
                        rights: Rights(
                            sends: ["/user/*/queue/msg", "/topic/shop/*"].compactMap(DestinationPattern.init)))
                case "stranger": throw AuthenticationError(.signature, "the signature is wrong.")
                case "away": throw AuthenticationError(.unavailable, "who you are can't be checked now.")
                case let user: Identity(user: user)
                }
            }
        }
    }

    @Test func whoeverIsNotKnownIsAskedToSayWhoTheyAre() async throws {
        try await Installation.with(authenticator: Named()) { belfry in
            let none = try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port, token: nil)
            #expect(none.problem == "401 unauthorized" && none.headers["www-authenticate"] == "Bearer")
            let wrong = try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port, token: "stranger")
            #expect(wrong.problem == "401 unauthorized")
            #expect(wrong.headers["www-authenticate"] == "Bearer error=\"invalid_token\"")
            let away = try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port, token: "away")
            #expect(away.problem == "503 unavailable" && away.headers["retry-after"] == "10")
            // alice:x
            let basic = try await HTTPAnswer.ask(
                "GET", "/api/v1/unread", port: belfry.port, token: nil, headers: ["Authorization": "Basic YWxpY2U6eA=="]
            )
            #expect(basic.status == 200)
            let broken = try await HTTPAnswer.ask(
                "GET", "/api/v1/unread", port: belfry.port, token: nil, headers: ["Authorization": "Basic ???"])
            #expect(broken.problem == "401 unauthorized")
        }
    }

    @Test func onlyWhoHasTheRightSends() async throws {
        try await Installation.with(authenticator: Named()) { belfry in
            let message = #"{"receiver":"bob","data":1}"#
            let alice = try await HTTPAnswer.ask("POST", "/api/v1/messages", port: belfry.port, json: message)
            #expect(alice.problem == "403 forbidden")
            let shop = try await HTTPAnswer.ask(
                "POST", "/api/v1/messages", port: belfry.port, token: "shop", json: message)
            #expect(shop.status == 202 && shop.ids == ["1"])
            for (topic, status) in [("shop/a", 202), ("shop", 403), ("news", 403)] {
                let answer = try await HTTPAnswer.ask(
                    "POST", "/api/v1/broadcasts", port: belfry.port, token: "shop",
                    json: "{\"topic\":\"\(topic)\",\"data\":1}")
                #expect(answer.status == status, "\(topic): \(answer.body)")
            }
            // One that may not be sent is enough: none is.
            let mixed = try await HTTPAnswer.ask(
                "POST", "/api/v1/broadcasts", port: belfry.port, token: "shop",
                json: #"[{"topic":"shop/a","data":1},{"topic":"news","data":1}]"#)
            #expect(mixed.problem == "403 forbidden" && mixed.detail.hasPrefix("Message 2: this user may not send"))
            #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "2")
        }
    }

    /// Whose message it is decides what DELETE means.
    @Test func anApplicationTakesBackWhatIsNotDelivered() async throws {
        try await Installation.with(authenticator: Named()) { belfry in
            let id = try await belfry.application.notify("bob")
            let path = "/api/v1/messages/\(id)"
            #expect(try await HTTPAnswer.ask("DELETE", path, port: belfry.port).problem == "404 notFound")
            #expect(try await belfry.application.status(id) == "pending")
            #expect(try await HTTPAnswer.ask("DELETE", path, port: belfry.port, token: "shop").status == 204)
            #expect(try await belfry.application.status(id) == "cancelled")
            #expect(try await HTTPAnswer.ask("DELETE", path, port: belfry.port, token: "shop").status == 404)
            let broadcast = try await belfry.application.broadcast("news")
            #expect(
                try await HTTPAnswer.ask("DELETE", "/api/v1/messages/\(broadcast)", port: belfry.port, token: "shop")
                    .status == 404, "no right to that topic")
        }
    }

    /// A page that may connect may read; another's request is not served.
    @Test func pagesOfOtherOriginsAreToldByTheAllowList() async throws {
        let configure = { (configuration: inout GatewayConfiguration) in
            configuration.allowedOrigins = ["https://shop.example"]
        }
        try await Installation.with(authenticator: Named(), configure: configure) { belfry in
            let shared = try await HTTPAnswer.ask(
                "GET", "/api/v1/unread", port: belfry.port, headers: ["Origin": "https://shop.example"])
            #expect(shared.status == 200 && shared.headers["access-control-allow-origin"] == "https://shop.example")
            #expect(shared.headers["vary"]?.contains("Origin") == true)
            let refused = try await HTTPAnswer.ask(
                "GET", "/api/v1/unread", port: belfry.port, headers: ["Origin": "https://evil.example"])
            #expect(refused.status == 403 && refused.headers["access-control-allow-origin"] == nil)
            for path in ["/api/v1/messages", "//api/v1/messages", "/api/openapi.json"] {
                let asked = try await RawHTTP.exchange(
                    port: belfry.port,
                    "OPTIONS \(path) HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\nConnection: close\r\n\r\n")
                #expect(asked.hasPrefix("HTTP/1.1 403"), "\(path): \(asked)")
            }
            let preflight = try await RawHTTP.exchange(
                port: belfry.port,
                "OPTIONS /api/v1/messages HTTP/1.1\r\nHost: a\r\nOrigin: https://shop.example\r\n"
                    + "Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n")
            #expect(preflight.hasPrefix("HTTP/1.1 204"))
            #expect(preflight.contains("Access-Control-Allow-Methods: GET, HEAD, POST"))
        }
    }

    @Test func whoAsksTooOftenWaits() async throws {
        var limits = Limits()
        limits.requestsPerUserPerSecondMax = 1
        try await Installation.with(limits: limits) { belfry in
            var refused: HTTPAnswer?
            for _ in 0..<12 {
                let answer = try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port)
                if answer.status != 200 { refused = answer }
            }
            #expect(refused?.problem == "429 tooManyRequests" && refused?.headers["retry-after"] == "1")
            #expect(try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port, token: "bob").status == 200)
        }
    }

    @Test func withoutPostgreSQLItSaysSo() async throws {
        let server = try await PrivatePostgres.start(
            dataDirectory: TestServers.folder("postgres-api"), settings: ["fsync": "off"])
        try await Installation.with(postgres: server) { belfry in
            #expect(try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port).status == 200)
            server.kill()
            let answer = try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port)
            #expect(answer.problem == "503 unavailable" && answer.headers["retry-after"] == "1")
        }
        await server.stop()
    }
}
