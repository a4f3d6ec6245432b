import Authentication
import Foundation
import HTTPPeer
import Logging
import NIOPosix
import OutgoingHTTP
import Testing

@testable import HTTPAuthentication

@Suite(.timeLimit(.minutes(1))) struct HTTPAuthenticatorTests {
    /// Runs `body` with an application, and an authenticator that asks it.
    private func with(
        _ behavior: @escaping @Sendable (HTTPPeer.Request) -> HTTPPeer.Behavior,
        settings change: (inout HTTPAuthenticator.Settings) -> Void = { _ in },
        _ body: (HTTPAuthenticator, HTTPPeer) async throws -> Void
    ) async throws {
        let peer = try await HTTPPeer.start(behavior)
        let client = OutgoingHTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        var settings = HTTPAuthenticator.Settings(url: peer.url("/who"))
        change(&settings)
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let authenticator = HTTPAuthenticator(settings: settings, client: client, logger: logger)
        do {
            try await body(authenticator, peer)
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
        await peer.stop()
    }

    private func code(_ answer: Result<Identity, AuthenticationError>) -> AuthenticationError.Code? {
        if case .failure(let error) = answer { error.code } else { nil }
    }

    @Test func theApplicationSaysWhoItIs() async throws {
        let end = (Date().timeIntervalSince1970 + 60).rounded() * 1_000
        let body = """
            {"user":"alice","expiresAt":\(Int(end)),"subscribe":["/topic/a"],"send":["/user/**"],"more":{}}
            """
        try await with({ _ in .answer(status: 200, body: body) }) { authenticator, peer in
            let credentials = Credentials(
                token: "t1", fields: [("cookie", "session=7"), ("X-Secret", "no")], address: "192.0.2.7")
            let identity = try await authenticator.authenticate(credentials).result.get()
            #expect(identity.user == "alice")
            #expect(identity.expiresAt == Date(timeIntervalSince1970: end / 1_000))
            #expect(identity.rights.maySubscribe(to: "/topic/a") && !identity.rights.maySubscribe(to: "/topic/b"))
            #expect(identity.rights.maySend(to: "/user/bob/queue/msg"))
            let request = try #require(peer.requests.first)
            #expect(request.method == "GET" && request.path == "/who")
            #expect(request.field("Authorization") == "Bearer t1")
            #expect(request.field("Cookie") == "session=7")
            #expect(request.field("X-Forwarded-For") == "192.0.2.7")
            #expect(request.field("X-Secret") == nil, "what is not asked for is not passed on")
        }
    }

    @Test(
        arguments: [
            (Credentials(passcode: "t"), "Bearer t"),
            (Credentials(login: "ci", passcode: "s"), "Basic Y2k6cw=="),
            (Credentials(headers: [("authorization", "Digest x")]), "Digest x"),
            (Credentials(token: "t", login: "ci", passcode: "s", fields: [("Authorization", "x")]), "Bearer t"),
            (Credentials(fields: [("authorization", "Bearer of the request")]), "Bearer of the request"),
        ] as [(Credentials, String)])
    func authorizationIsMadeOfWhatWasShown(credentials: Credentials, field: String) async throws {
        try await with({ _ in .answer(status: 401, body: "") }) { authenticator, peer in
            #expect(code(await authenticator.authenticate(credentials).result) == .refused)
            #expect(peer.requests.first?.field("Authorization") == field)
        }
    }

    @Test func aHeaderOfTheOperatorsChoiceIsPassedOnAndNoLineCanBeSmuggledIn() async throws {
        try await with({ _ in .answer(status: 403, body: "") }, settings: { $0.fields = ["X-Session"] }) {
            authenticator, peer in
            let good = Credentials(token: "t", headers: [("x-session", "7")])
            #expect(code(await authenticator.authenticate(good).result) == .forbidden)
            #expect(peer.requests.first?.field("X-Session") == "7")
            #expect(peer.requests.first?.field("Authorization") == nil)
            for value in ["7\r\nX-Admin: yes", "7\nX", "7\0"] {
                let bad = Credentials(headers: [("x-session", value)])
                #expect(code(await authenticator.authenticate(bad).result) == .malformed)
            }
            let long = Credentials(headers: [("x-session", String(repeating: "x", count: 16 * 1024 + 1))])
            #expect(code(await authenticator.authenticate(long).result) == .tooLong)
            #expect(code(await authenticator.authenticate(Credentials(token: "t")).result) == .missing)
            #expect(peer.requests.count == 1)
        }
    }

    @Test(arguments: [
        HTTPPeer.Behavior.silence, .trickle, .flood, .hangUp, .answer(status: 500, body: ""),
        .answer(status: 204, body: ""), .answer(status: 302, body: "", fields: [("Location", "/login")]),
        .answer(status: 200, body: "<html>login</html>"), .answer(status: 200, body: "{}"),
        .answer(status: 200, body: #"{"user":7}"#), .answer(status: 200, body: #"{"user":""}"#),
        .answer(status: 200, body: #"{"user":"a","send":["topic"]}"#),
        .answer(status: 200, body: #"{"user":"a","subscribe":["/topic/x*"]}"#),
        .answer(status: 200, body: #"{"user":"a","expiresAt":"tomorrow"}"#), .raw("HTTP/1.1 200 OK\r\n"),
    ])
    func everyFaultOfTheApplicationsIsTheServersNotTheClients(behavior: HTTPPeer.Behavior) async throws {
        try await with({ _ in behavior }, settings: { $0.timeout = .milliseconds(500) }) { authenticator, _ in
            let answer = await authenticator.authenticate(Credentials(token: "secret-token")).result
            guard case .failure(let error) = answer else {
                Issue.record("let in")
                return
            }
            #expect(error.code == .unavailable)
            #expect(error.message == "Who you are can't be checked now; connect again later.")
            #expect(error.detail != error.message && !error.detail.contains("secret-token"))
        }
    }

    @Test func anExpiryThatHasPassedIsRefused() async throws {
        try await with({ _ in .answer(status: 200, body: #"{"user":"a","expiresAt":1764500000}"#) }) {
            authenticator, _ in
            #expect(code(await authenticator.authenticate(Credentials(token: "t")).result) == .expired)
        }
    }

    @Test func goodAnswersAreUsedAgainForAWhileAndBadOnesAreNot() async throws {
        try await with(
            {
                $0.field("Authorization") == "Bearer good"
                    ? .answer(status: 200, body: #"{"user":"a"}"#)
                    : .answer(status: 401, body: "")
            },
            settings: { $0.cacheFor = .seconds(3_600) }
        ) { authenticator, peer in
            for _ in 0..<3 {
                let user = try await authenticator.authenticate(Credentials(token: "good")).result.get().user
                #expect(user == "a")
            }
            #expect(peer.requests.count == 1)
            for _ in 0..<2 {
                #expect(code(await authenticator.authenticate(Credentials(token: "bad")).result) == .refused)
            }
            #expect(peer.requests.count == 3)
        }
    }

    @Test func anAnswerIsNotUsedAgainAfterItHasExpired() {
        let cache = AnswerCache(lifetime: .seconds(3_600))
        let fields = [(name: "Authorization", value: "Bearer t")]
        cache.remember(Identity(user: "a", expiresAt: Date(timeIntervalSince1970: 100)), for: fields)
        #expect(cache.identity(for: fields, now: Date(timeIntervalSince1970: 99)) != nil)
        #expect(cache.identity(for: fields, now: Date(timeIntervalSince1970: 100)) == nil)
        #expect(cache.identity(for: [("Authorization", "Bearer u")]) == nil)
    }
}
