import BelfryModel
import NIOCore
import STOMP
import Testing

@testable import Node

@Suite struct SessionTimesTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static func limits() -> Limits {
        var limits = Limits()
        limits.connectTimeout = .seconds(10)
        limits.outboundBytesMax = 1_000
        return limits
    }

    /// A session that has connected, with heart-beats of 10 s both ways.
    private static func connected(expiresAt: NIODeadline? = nil) -> SessionTimes {
        var times = SessionTimes(limits: limits(), now: start)
        times.authenticated(until: expiresAt)
        times.connected(
            HeartBeatAgreement(
                client: HeartBeatOffer(canSendMilliseconds: 10_000, wantsMilliseconds: 10_000),
                serverMilliseconds: 10_000),
            at: start)
        return times
    }

    @Test func whoDoesNotConnectIsGivenUp() {
        var times = SessionTimes(limits: Self.limits(), now: Self.start)
        let deadline = times.nextDeadline
        #expect(deadline == Self.start + .seconds(10))
        let early = times.tick(at: Self.start + .seconds(10) - .nanoseconds(1), isReadingPaused: false)
        #expect(early == .none)
        let due = times.tick(at: Self.start + .seconds(10), isReadingPaused: false)
        #expect(due == .connectTimedOut)
    }

    @Test func heartBeatsGoOutAndAreAwaited() {
        var times = Self.connected()
        let deadline = times.nextDeadline
        #expect(deadline == Self.start + .seconds(9))
        let beat = times.tick(at: Self.start + .seconds(9), isReadingPaused: false)
        #expect(beat == .sendHeartBeat)
        let missed = times.tick(at: Self.start + .seconds(20), isReadingPaused: false)
        #expect(missed == .fail(.heartBeatMissed))
    }

    @Test func whoIsNotReadFromIsNotBlamedForSilence() {
        var times = Self.connected()
        let paused = times.tick(at: Self.start + .seconds(25), isReadingPaused: true)
        #expect(paused == .sendHeartBeat)
        let read = times.tick(at: Self.start + .seconds(26), isReadingPaused: false)
        #expect(read == .none, "its time begins anew")
    }

    @Test func aTokenEnds() {
        var times = Self.connected(expiresAt: Self.start + .seconds(5))
        let deadline = times.nextDeadline
        #expect(deadline == Self.start + .seconds(5) - TickWheel.tick, "to be looked at in the tick before")
        let soon = times.tick(at: Self.start + .seconds(5) - .milliseconds(100), isReadingPaused: false)
        #expect(soon == .expires(in: .milliseconds(100)))
        let before = times.hasExpired(at: Self.start + .seconds(5) - .nanoseconds(1))
        let after = times.hasExpired(at: Self.start + .seconds(5))
        #expect(!before && after)
        let due = times.tick(at: Self.start + .seconds(5), isReadingPaused: false)
        #expect(due == .fail(.tokenExpired))
    }

    @Test func aNewTokenPutsTheEndOff() {
        var times = Self.connected(expiresAt: Self.start + .seconds(5))
        times.authenticated(until: Self.start + .seconds(50))
        let due = times.tick(at: Self.start + .seconds(5), isReadingPaused: false)
        #expect(due == .none)
        times.authenticated(until: nil)
        let never = times.hasExpired(at: .distantFuture)
        #expect(!never)
    }

    @Test func whoeverIsAskedHasTheTimeOfAConnect() {
        var times = SessionTimes(limits: Self.limits(), now: Self.start)
        times.authenticationBegan(at: Self.start + .seconds(9))
        let early = times.tick(at: Self.start + .seconds(10) - .nanoseconds(1), isReadingPaused: true)
        #expect(early == .none)
        let due = times.tick(at: Self.start + .seconds(10), isReadingPaused: true)
        #expect(due == .authenticationTimedOut)
        var connected = Self.connected()
        connected.authenticationBegan(at: Self.start + .seconds(20))
        let again = connected.tick(at: Self.start + .seconds(30), isReadingPaused: true)
        #expect(again == .authenticationTimedOut)
        connected.authenticationAnswered()
        let answered = connected.tick(at: Self.start + .seconds(30), isReadingPaused: true)
        #expect(answered != .authenticationTimedOut)
    }

    @Test func aSlowClientIsWatched() {
        var times = Self.connected()
        let fast = times.isSlow(waitingBytes: 250, limits: Self.limits(), at: Self.start)
        let tight = times.isSlow(waitingBytes: 251, limits: Self.limits(), at: Self.start)
        #expect(!fast && !tight && times.isBudgetTight)
        let over = times.isSlow(waitingBytes: 1_001, limits: Self.limits(), at: Self.start)
        #expect(over)
    }

    @Test func disconnectWaitsForMarksAndNotForEver() {
        var times = Self.connected(expiresAt: Self.start + .seconds(1))
        times.disconnecting(until: Self.start + .seconds(5))
        let deadline = times.nextDeadline
        #expect(deadline == Self.start + .seconds(5))
        let early = times.tick(at: Self.start + .seconds(4), isReadingPaused: false)
        #expect(early == .none, "nothing else counts any more")
        let due = times.tick(at: Self.start + .seconds(5), isReadingPaused: false)
        #expect(due == .disconnectTimedOut)
    }
}
