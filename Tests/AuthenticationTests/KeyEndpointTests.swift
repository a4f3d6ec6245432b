import Authentication
import Foundation
import HTTPPeer
import Logging
import NIOPosix
import OutgoingHTTP
import TestBasics
import Testing

@testable import JWTAuthentication

/// An issuer that is a real HTTP server, and an authenticator with its keys.
private struct Issuer {
    static let elliptic = """
        {"kty":"EC","crv":"P-256","x":"YAhO46y8B8-OTrndJzXnIqRmoYubVZZUDtvxmErTNc0",
        "y":"aryMGaALN9bsH7BFMQvSZnCdLbeQ0Jpiqp-ImxsbWd8","kid":"ec-1","alg":"ES256"}
        """
    static let edwards =
        #"{"x":"ZF63ULgHOGavgTgEtjW6bwjj2LI9nIZ4LEzdAWIX35c","kty":"OKP","crv":"Ed25519","kid":"ed-1"}"#

    static func set(_ keys: String...) -> String { #"{"keys":[\#(keys.joined(separator: ","))]}"# }

    let peer: HTTPPeer
    let client = OutgoingHTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
    let ring = JWTKeyRing()
    let endpoint: JWTKeyEndpoint
    let authenticator: JWTAuthenticator

    /// - Parameter pause: the shortest between two fetches.
    init(
        pause: Duration = .zero, timeout: Duration = .seconds(20),
        _ behavior: @escaping @Sendable (HTTPPeer.Request) -> HTTPPeer.Behavior
    ) async throws {
        peer = try await HTTPPeer.start(behavior)
        endpoint = JWTKeyEndpoint(
            url: peer.url("/jwks"), client: client, ring: ring,
            pace: .init(interval: .milliseconds(20), pauseMin: pause, timeout: timeout),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        authenticator = JWTAuthenticator(
            keys: ring, endpoint: endpoint, issuer: nil, audience: nil,
            now: { Date(timeIntervalSince1970: Fixtures.now) })
    }

    static func with(
        pause: Duration = .zero, timeout: Duration = .seconds(20), _ behavior: HTTPPeer.Behavior,
        _ body: (Issuer) async throws -> Void
    ) async throws {
        let issuer = try await Issuer(pause: pause, timeout: timeout) { _ in behavior }
        do {
            try await body(issuer)
        } catch {
            await issuer.stop()
            throw error
        }
        await issuer.stop()
    }

    func stop() async {
        await peer.stop()
        await client.shutdown()
    }

    /// What becomes of the token whose key has this algorithm, and whether others were asked.
    func result(_ algorithm: String) async throws -> (Result<Identity, AuthenticationError>, asked: Bool) {
        let token = try #require(Fixtures.tokensWithKeyID[algorithm])
        switch authenticator.authenticate(Credentials(token: token)) {
        case .now(let result): return (result, false)
        case .later(let ask): return (await ask(), true)
        }
    }

    func refusal(_ algorithm: String) async throws -> AuthenticationError.Code? {
        if case .failure(let error) = try await result(algorithm).0 { error.code } else { nil }
    }

    /// - Parameter code: `nil` when the token is accepted.
    func expect(
        _ algorithm: String, refusedAs code: AuthenticationError.Code?, _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let refusal = try await refusal(algorithm)
        #expect(refusal == code, comment, sourceLocation: sourceLocation)
    }
}

@Suite(.timeLimit(.minutes(1))) struct KeyEndpointTests {
    @Test func aKeyThatIsNotKnownIsFetchedAndThenAnsweredAtOnce() async throws {
        try await Issuer.with(.answer(status: 200, body: Issuer.set(Issuer.elliptic))) { issuer in
            let first = try await issuer.result("ES256")
            #expect(try first.0.get().user == "alice")
            #expect(first.asked)
            let second = try await issuer.result("ES256")
            #expect(try second.0.get().user == "alice")
            #expect(!second.asked, "without a task")
            #expect(issuer.peer.requests.count == 1)
        }
    }

    /// A key of a file has no id: it might be the one that a token means, and is not asked before the issuer is.
    @Test func aKeyOfAFileDoesNotHideThoseOfTheIssuer() async throws {
        try await Issuer.with(.answer(status: 200, body: Issuer.set(Issuer.elliptic))) { issuer in
            issuer.ring.replace(.file, by: try await JWTKeys.parsing(Fixtures.ec256Public, named: "file"))
            #expect(try await issuer.result("ES256").asked)
            #expect(issuer.peer.requests.count == 1)
            issuer.peer.behave { _ in .answer(status: 500, body: "") }
            issuer.ring.replace(.url, by: JWTKeys(keys: []))
            let alone = try await issuer.result("ES256")
            #expect(try alone.0.get().user == "alice", "the issuer is away, and the file's key is good")
        }
    }

    @Test func whatIsLoggedOfTheURLIsItsHost() async throws {
        let log = RecordingLog()
        let client = OutgoingHTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        for answer in [
            HTTPPeer.Behavior.answer(status: 200, body: Issuer.set(Issuer.elliptic)), .answer(status: 200, body: "{}"),
        ] {
            let peer = try await HTTPPeer.start { _ in answer }
            let url = peer.url("/jwks?apikey=HUSH").replacing("://", with: "://user:TOPSECRET@")
            let endpoint = JWTKeyEndpoint(
                url: url, client: client, ring: JWTKeyRing(),
                pace: .init(interval: .seconds(60), pauseMin: .zero, timeout: .seconds(20)),
                logger: Logger(label: "test", factory: { _ in log }))
            _ = await endpoint.refresh()
            await peer.stop()
        }
        await client.shutdown()
        #expect(log.lines.count == 2 && log.lines.allSatisfy { $0.contains("127.0.0.1") })
        #expect(log.lines.allSatisfy { !$0.contains("SECRET") && !$0.contains("HUSH") })
    }

    @Test func rotationServesOldAndNewKeysAndDropsWhatIsWithdrawn() async throws {
        try await Issuer.with(.answer(status: 200, body: Issuer.set(Issuer.elliptic))) { issuer in
            try await issuer.expect("ES256", refusedAs: nil)
            issuer.peer.behave { _ in .answer(status: 200, body: Issuer.set(Issuer.elliptic, Issuer.edwards)) }
            try await issuer.expect("EdDSA", refusedAs: nil)
            try await issuer.expect("ES256", refusedAs: nil)
            issuer.peer.behave { _ in .answer(status: 200, body: Issuer.set(Issuer.edwards)) }
            #expect(await issuer.endpoint.refresh())
            try await issuer.expect("ES256", refusedAs: .signature)
        }
    }

    @Test func inventedKeyIDsCauseNoMoreFetchesThanThePauseAllows() async throws {
        try await Issuer.with(
            pause: .seconds(3_600), .answer(status: 200, body: Issuer.set(Issuer.elliptic))
        ) { issuer in
            for _ in 0..<20 {
                try await issuer.expect("EdDSA", refusedAs: .signature)
            }
            #expect(issuer.peer.requests.count == 1)
            try await issuer.expect("ES256", refusedAs: nil)
        }
    }

    @Test func whoAsksWhileAFetchIsUnderWayWaitsForThat() async throws {
        try await Issuer.with(
            pause: .seconds(3_600), .answer(status: 200, body: Issuer.set(Issuer.elliptic))
        ) { issuer in
            try await withThrowingTaskGroup(of: AuthenticationError.Code?.self) { group in
                for _ in 0..<50 { group.addTask { try await issuer.refusal("ES256") } }
                for try await refusal in group { #expect(refusal == nil) }
            }
            #expect(issuer.peer.requests.count == 1)
        }
    }

    @Test(arguments: [
        HTTPPeer.Behavior.silence, .trickle, .flood, .hangUp, .answer(status: 500, body: "{}"),
        .answer(status: 200, body: "<html>"), .answer(status: 200, body: #"{"keys":[]}"#),
        .answer(status: 200, body: #"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#),
        .answer(status: 302, body: "", fields: [("Location", "/other")]),
        .answer(
            status: 200, body: Issuer.set(repeatElement(Issuer.edwards, count: 101).joined(separator: ","))),
    ])
    func keysStayWhenTheIssuerIsAwayOrTalksNonsense(behavior: HTTPPeer.Behavior) async throws {
        try await Issuer.with(
            timeout: .milliseconds(500), .answer(status: 200, body: Issuer.set(Issuer.elliptic))
        ) { issuer in
            try await issuer.expect("ES256", refusedAs: nil)
            issuer.peer.behave { _ in behavior }
            #expect(await !issuer.endpoint.refresh())
            try await issuer.expect("ES256", refusedAs: nil, "the old key still holds")
            try await issuer.expect("EdDSA", refusedAs: .unavailable, "the new one can't be known")
        }
    }

    @Test func anIssuerThatComesBackIsNoticedWithoutAToken() async throws {
        try await Issuer.with(.hangUp) { issuer in
            try await issuer.expect("ES256", refusedAs: .unavailable)
            let running = Task { await issuer.endpoint.run() }
            issuer.peer.behave { _ in .answer(status: 200, body: Issuer.set(Issuer.elliptic)) }
            try await eventually("the keys are there") { !issuer.ring.keys.keys.isEmpty }
            running.cancel()
            await running.value
        }
    }

    @Test func aTokenOfAnotherAlgorithmThanItsKeyFetchesNothing() async throws {
        try await Issuer.with(.answer(status: 200, body: Issuer.set(Issuer.elliptic))) { issuer in
            try await issuer.expect("ES256", refusedAs: nil)
            let forge = try await TokenForge()
            let token = try forge.token(#"{"sub":"a"}"#, header: #"{"alg":"HS256","kid":"ec-1"}"#)
            guard case .now(.failure(let error)) = issuer.authenticator.authenticate(Credentials(token: token)) else {
                Issue.record("it was not refused at once")
                return
            }
            #expect(error.code == .algorithm)
            #expect(issuer.peer.requests.count == 1)
        }
    }
}

@Suite struct KeyFileReloadTests {
    private func replace(_ path: String, by text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    @Test func aChangedFileIsReadAgainAndABadOneChangesNothing() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("keys-\(UUID()).pem").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try replace(path, by: Fixtures.ec256Public)
        let ring = JWTKeyRing()
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let file = try await JWTKeyFile(path, ring: ring, pause: .milliseconds(5), logger: logger)
        let authenticator = JWTAuthenticator(
            keys: ring, issuer: nil, audience: nil, now: { Date(timeIntervalSince1970: Fixtures.now) })
        func accepts(_ algorithm: String) async throws -> Bool {
            await authenticator.refusal(of: try #require(Fixtures.tokens[algorithm])) == nil
        }
        #expect(try await accepts("ES256"))
        let running = Task { await file.run() }
        try replace(path, by: Fixtures.ec256Public + "\n" + Fixtures.ed25519Public)
        try await eventually("the second key is served") { try await accepts("EdDSA") }
        #expect(try await accepts("ES256"))
        try replace(path, by: "no keys at all")
        try replace(path, by: Fixtures.ec256Private)
        try FileManager.default.removeItem(atPath: path)
        try replace(path, by: "still none")
        try await Task.sleep(for: .milliseconds(100))
        #expect(try await accepts("EdDSA"), "the keys before still hold")
        #expect(try await accepts("ES256"))
        try replace(path, by: Fixtures.ed25519Public)
        try await eventually("the first key is withdrawn") { try await !accepts("ES256") }
        running.cancel()
        await running.value
    }
}
