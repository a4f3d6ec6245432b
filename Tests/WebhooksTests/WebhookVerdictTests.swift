import BelfryModel
import Foundation
import HTTPPeer
import OutgoingHTTP
import Testing

@testable import Webhooks

@Suite struct WebhookVerdictTests {
    private static let now = Date(timeIntervalSince1970: 784_111_777)

    private func verdict(_ status: Int, retryAfter: String? = nil) -> WebhookVerdict {
        let fields = retryAfter.map { [(name: "retry-after", value: $0)] } ?? []
        return WebhookVerdict(OutgoingAnswerHead(status: status, fields: fields), now: Self.now)
    }

    @Test(arguments: [200, 201, 202, 204, 299])
    func accepted(status: Int) { #expect(verdict(status) == .accepted(status: status)) }

    @Test(arguments: [400, 413, 415, 422])
    func refusedForGood(status: Int) {
        #expect(verdict(status) == .refused(reason: "The application answered \(status).", status: status))
    }

    @Test(arguments: [301, 302, 307, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504])
    func triedAgain(status: Int) {
        guard case .again(_, status, nil) = verdict(status) else {
            Issue.record("\(verdict(status))")
            return
        }
    }

    @Test func `410 ends the rule`() {
        guard case .gone = verdict(410) else {
            Issue.record("\(verdict(410))")
            return
        }
    }

    @Test(arguments: [
        ("120", 120.0), ("0", 0), ("Sun, 06 Nov 1994 08:49:47 GMT", 10), ("Sun, 06 Nov 1994 08:49:07 GMT", 0),
        ("99999999999", 86_400), ("-5", nil), ("soon", nil), ("Sunday, 06-Nov-94 08:49:37 GMT", nil),
    ])
    func whatRetryAfterSays(text: String, seconds: Double?) {
        guard case .again(_, 503, let after) = verdict(503, retryAfter: text) else {
            Issue.record("\(verdict(503, retryAfter: text))")
            return
        }
        #expect(after == seconds.map { .seconds($0) })
    }

    @Test func pausesDoubleAndEnd() throws {
        var policy = EscalationPolicy()
        policy.retryPause = .seconds(10)
        policy.attemptsMax = 12
        let schedule = RetrySchedule(policy: policy)
        for attempts in 1...11 {
            let whole = min(.seconds(10) * (1 << (attempts - 1)), Duration.seconds(3_600))
            for _ in 1...50 {
                let pause = try #require(schedule.pause(afterAttempts: attempts, asked: nil))
                #expect(pause >= whole / 2 && pause <= whole)
            }
        }
        #expect(schedule.pause(afterAttempts: 12, asked: .seconds(1)) == nil)
        #expect(schedule.pause(afterAttempts: 1, asked: .seconds(7_200)) == .seconds(7_200))
        let short = try #require(schedule.pause(afterAttempts: 5, asked: .seconds(1)))
        #expect(short >= .seconds(80), "what the application asks for shortens nothing")
    }
}

@Suite struct EndpointPaceTests {
    private let start = ContinuousClock.now

    @Test func `a server that accepts gets as many as are allowed`() {
        var pace = EndpointPace(limit: 4)
        #expect(pace.room(at: start) == 4)
        let began = pace.began(3)
        #expect(pace.room(at: start) == 1)
        pace.ended(isUp: true, asked: nil, began: began, at: start)
        #expect(pace.room(at: start) == 1, "it may come twice until it is noted")
        pace.noted()
        #expect(pace.room(at: start) == 2)
    }

    @Test func `one that fails gets a rest, and one at a time until it accepts`() throws {
        var pace = EndpointPace(limit: 8)
        let began = pace.began(8)
        for _ in 1...8 {
            pace.ended(isUp: false, asked: nil, began: began, at: start)
            pace.noted()
        }
        #expect(pace.room(at: start) == 0)
        let wakes = try #require(pace.wakesAt)
        #expect(wakes <= start + .milliseconds(500), "eight that failed together are one failure")
        #expect(pace.room(at: wakes) == 1)
        var now = wakes
        var last: Duration = .zero
        for _ in 1...12 {
            let began = pace.began(1)
            #expect(pace.room(at: now) == 0)
            pace.ended(isUp: false, asked: nil, began: began, at: now)
            pace.noted()
            let next = try #require(pace.wakesAt)
            last = now.duration(to: next)
            now = next
        }
        #expect(last >= .seconds(15) && last <= .seconds(30))
        for expected in [2, 4, 8, 8] {
            let began = pace.began(1)
            pace.ended(isUp: true, asked: nil, began: began, at: now)
            pace.noted()
            #expect(pace.room(at: now) == expected)
        }
    }

    @Test func `one that asks for a rest gets it`() {
        var pace = EndpointPace(limit: 8)
        let began = pace.began(2)
        pace.ended(isUp: false, asked: .seconds(60), began: began, at: start)
        pace.ended(isUp: false, asked: .seconds(90), began: began, at: start)
        for _ in 1...2 { pace.noted() }
        #expect(pace.room(at: start + .seconds(89)) == 0)
        #expect(pace.room(at: start + .seconds(90)) == 1)
    }
}

@Suite(.timeLimit(.minutes(1))) struct WebhookSenderTests {
    private func send(_ behavior: HTTPPeer.Behavior) async throws -> (WebhookVerdict, HTTPPeer.Request?) {
        let peer = try await HTTPPeer.start { _ in behavior }
        var policy = EscalationPolicy()
        policy.timeout = .milliseconds(500)
        let sender = WebhookSender(policy: policy)
        let secrets = try SigningSecrets(parsing: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        let verdict = await sender.send(to: peer.url("/h"), id: "i", body: #"{"ä":1}"#, secrets: secrets)
        await sender.shutdown()
        await peer.stop()
        return (verdict, peer.requests.first)
    }

    @Test func `what is sent is signed as it is sent`() async throws {
        let (verdict, request) = try await send(.answer(status: 204, body: ""))
        #expect(verdict == .accepted(status: 204))
        let sent = try #require(request)
        #expect(sent.method == "POST" && sent.body == #"{"ä":1}"# && sent.field("webhook-id") == "i")
        #expect(sent.field("content-type") == "application/json")
        let timestamp = try #require(sent.field("webhook-timestamp").flatMap { Int($0) })
        #expect(abs(Double(timestamp) - Date().timeIntervalSince1970) < 30)
        let secrets = try SigningSecrets(parsing: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        #expect(
            sent.field("webhook-signature")
                == secrets.signature(id: "i", timestamp: timestamp, body: Data(sent.body.utf8)))
    }

    /// Its status has come.
    @Test(arguments: [HTTPPeer.Behavior.flood, .trickle])
    func `an answer without an end is none the less an answer`(behavior: HTTPPeer.Behavior) async throws {
        #expect(try await send(behavior).0 == .accepted(status: 200))
    }

    @Test(arguments: [HTTPPeer.Behavior.silence, .hangUp, .raw("SSH-2.0-x\r\n\r\n")])
    func `no answer is tried again`(behavior: HTTPPeer.Behavior) async throws {
        guard case .again(let reason, nil, nil) = try await send(behavior).0 else {
            Issue.record("It was taken for an answer.")
            return
        }
        #expect(reason.hasPrefix("The application was told, and "))
    }

    @Test func `a redirect is not followed`() async throws {
        let elsewhere = try await HTTPPeer.start { _ in .answer(status: 200, body: "") }
        let (verdict, _) = try await send(
            .answer(status: 307, body: "", fields: [("Location", elsewhere.url("/"))]))
        #expect(!verdict.isAccepted)
        #expect(elsewhere.requests.isEmpty)
        await elsewhere.stop()
    }
}
