import HTTPPeer
import NIOCore
import NIOPosix
import OutgoingHTTP
import Testing

/// Asks a peer that behaves so.
private func ask(
    _ behavior: HTTPPeer.Behavior, timeout: Duration = .seconds(20), bytesMax: Int = 1024
) async throws -> Result<OutgoingAnswer, OutgoingHTTPError> {
    let peer = try await HTTPPeer.start { _ in behavior }
    let answer = await ask(peer.url("/keys"), timeout: timeout, bytesMax: bytesMax)
    await peer.stop()
    return answer
}

private func ask(
    _ url: String, timeout: Duration = .seconds(20), bytesMax: Int = 1024
) async -> Result<OutgoingAnswer, OutgoingHTTPError> {
    let client = OutgoingHTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
    let answer: Result<OutgoingAnswer, OutgoingHTTPError>
    do throws(OutgoingHTTPError) {
        answer = .success(
            try await client.ask(OutgoingRequest(.get, url), timeout: timeout, bytesMax: bytesMax))
    } catch {
        answer = .failure(error)
    }
    await client.shutdown()
    return answer
}

extension Result<OutgoingAnswer, OutgoingHTTPError> {
    fileprivate var code: OutgoingHTTPError.Code? { if case .failure(let error) = self { error.code } else { nil } }
}

/// Within the test's own limit: an exchange that never ends would fail it.
@Suite(.timeLimit(.minutes(1))) struct OutgoingHTTPClientTests {
    @Test func anAnswerComesWholeWhateverItsStatus() async throws {
        let answer = try await ask(.answer(status: 503, body: "later")).get()
        #expect(answer.status == 503)
        #expect(String(buffer: answer.body) == "later")
    }

    @Test func whatIsAskedArrivesAsItWasSaid() async throws {
        let peer = try await HTTPPeer.start { _ in .answer(status: 200, body: "") }
        let client = OutgoingHTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        _ = try await client.ask(
            OutgoingRequest(
                .post, peer.url("/who?x=1"), fields: [("X-Token", "t")], body: ByteBuffer(string: "{}")),
            timeout: .seconds(20), bytesMax: 10)
        await client.shutdown()
        let request = try #require(peer.requests.first)
        #expect(request.method == "POST")
        #expect(request.path == "/who?x=1")
        #expect(request.field("X-Token") == "t")
        #expect(request.body == "{}")
        await peer.stop()
    }

    @Test func aRedirectIsAnAnswerAndIsNotFollowed() async throws {
        let elsewhere = try await HTTPPeer.start { _ in .answer(status: 200, body: "forged") }
        let url = elsewhere.url("/")
        let answer = try await ask(.answer(status: 302, body: "", fields: [("Location", url)])).get()
        #expect(answer.status == 302)
        #expect(elsewhere.requests.isEmpty)
        await elsewhere.stop()
    }

    @Test(arguments: [HTTPPeer.Behavior.silence, .trickle])
    func aServerThatTakesItsTimeIsGivenUp(behavior: HTTPPeer.Behavior) async throws {
        let start = ContinuousClock.now
        #expect(try await ask(behavior, timeout: .milliseconds(300)).code == .timeout)
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test(arguments: [
        HTTPPeer.Behavior.flood, .answer(status: 200, body: String(repeating: "x", count: 1025)),
        .raw("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n"),
    ])
    func moreThanIsAskedForIsNotRead(behavior: HTTPPeer.Behavior) async throws {
        #expect(try await ask(behavior).code == .tooLarge)
    }

    @Test(arguments: [HTTPPeer.Behavior.hangUp, .raw("SSH-2.0-x\r\n\r\n")])
    func aServerThatSpeaksNoHTTPIsUnreachable(behavior: HTTPPeer.Behavior) async throws {
        #expect(try await ask(behavior).code == .unreachable)
    }

    @Test func aServerThatIsNotThereIsToldAtOnce() async throws {
        let peer = try await HTTPPeer.start { _ in .silence }
        let url = peer.url("/")
        await peer.stop()
        #expect(await ask(url).code == .unreachable)
    }

    @Test(arguments: ["", "nonsense", "ftp://127.0.0.1/", "http://"])
    func aURLThatIsNoneIsRefused(url: String) async throws {
        #expect(await ask(url).code != nil)
    }
}
