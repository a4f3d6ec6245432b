import NIOCore
import Testing

@testable import BelfryClient

/// Every state with every event.
struct LinkMachineTests {
    enum Phase: CaseIterable { case idle, awaitingToken, connecting, up, pausing, stopping, closed }

    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func machine(
        _ phase: Phase, hasFreshTokens: Bool = true, pauseFirst: Duration = .milliseconds(500)
    ) -> LinkMachine {
        var machine = LinkMachine(
            pauseFirst: pauseFirst, pauseMax: .seconds(30), hasFreshTokens: hasFreshTokens)
        guard phase != .idle else { return machine }
        _ = machine.started()
        guard phase != .awaitingToken else { return machine }
        _ = machine.tokenReceived("t")
        switch phase {
        case .idle, .awaitingToken, .connecting: break
        case .up: machine.connected(at: now)
        case .pausing: _ = machine.ended(.lost(), isExcused: false, at: now)
        case .stopping: _ = machine.stopped()
        case .closed: _ = machine.failed(.closed)
        }
        return machine
    }

    private func name(_ action: LinkMachine.Action) -> String { String("\(action)".prefix { $0 != "(" }) }

    private func pause(_ action: LinkMachine.Action) -> (pause: Duration, error: BelfryClientError, attempt: Int)? {
        if case .pause(let pause, let error, let attempt) = action { (pause, error, attempt) } else { nil }
    }

    private func end(_ code: BelfryClientError.Code, away: Duration? = nil) -> ConnectionEnd {
        ConnectionEnd(BelfryClientError(code, "It ended."), away: away)
    }

    @Test(arguments: Phase.allCases)
    func started(phase: Phase) {
        var machine = machine(phase)
        #expect(name(machine.started()) == (phase == .idle ? "askForToken" : "none"))
    }

    @Test(arguments: Phase.allCases)
    func thePauseEnds(phase: Phase) {
        var machine = machine(phase)
        #expect(name(machine.pauseEnded()) == (phase == .pausing ? "askForToken" : "none"))
    }

    @Test(arguments: Phase.allCases)
    func aToken(phase: Phase) {
        var machine = machine(phase)
        let action = machine.tokenReceived("t2")
        guard phase == .awaitingToken else {
            #expect(name(action) == "none")
            return
        }
        guard case .open("t2") = action else {
            Issue.record("\(action)")
            return
        }
    }

    @Test(arguments: Phase.allCases)
    func noToken(phase: Phase) {
        var machine = machine(phase)
        let action = machine.tokenFailed(BelfryClientError(.tokenUnavailable, "None."))
        #expect(name(action) == (phase == .awaitingToken ? "pause" : "none"))
    }

    @Test(arguments: Phase.allCases)
    func theConnectionEnds(phase: Phase) {
        for (code, isFinal) in [(BelfryClientError.Code.connectionLost, false), (.tokenRefused, true)] {
            var machine = machine(phase)
            machine.connected(at: now)
            let action = machine.ended(end(code), isExcused: false, at: now)
            switch phase {
            case .connecting, .up: #expect(name(action) == (isFinal ? "finish" : "pause"), "\(code)")
            case .stopping:
                guard case .finish(nil) = action else {
                    Issue.record("\(action)")
                    return
                }
            case .idle, .awaitingToken, .pausing, .closed: #expect(name(action) == "none")
            }
        }
    }

    @Test(arguments: Phase.allCases)
    func theProgramStops(phase: Phase) {
        var machine = machine(phase)
        let action = machine.stopped()
        switch phase {
        case .connecting, .up: #expect(name(action) == "disconnect")
        case .idle, .awaitingToken, .pausing: #expect(name(action) == "finish")
        case .stopping, .closed: #expect(name(action) == "none")
        }
        let again = machine.stopped()
        #expect(name(again) == "none")
    }

    @Test(arguments: Phase.allCases)
    func itCannotBegin(phase: Phase) {
        var machine = machine(phase)
        #expect(name(machine.failed(.closed)) == (phase == .closed ? "none" : "finish"))
        let isClosed = machine.isClosed
        #expect(isClosed)
    }

    @Test(arguments: BelfryClientError.Code.Value.allCases)
    func whatIsFinal(value: BelfryClientError.Code.Value) {
        let code = BelfryClientError.Code(value: value)
        let finals: Set<BelfryClientError.Code> = [
            .invalidConfiguration, .alreadyRun, .closed, .tokenRefused, .forbidden, .tooManySessions,
            .protocolViolation, .tooLarge,
        ]
        var machine = machine(.up)
        #expect(
            name(machine.ended(end(code), isExcused: false, at: now)) == (finals.contains(code) ? "finish" : "pause"))
        var excused = self.machine(.up)
        #expect(name(excused.ended(end(code), isExcused: true, at: now)) == "pause", "one request was to blame")
    }

    @Test func anExpiredTokenIsFinalWhereThereIsNoOther() {
        var one = machine(.up, hasFreshTokens: false)
        #expect(name(one.ended(end(.tokenExpired), isExcused: false, at: now)) == "finish")
        var many = machine(.up)
        #expect(name(many.ended(end(.tokenExpired), isExcused: false, at: now)) == "pause")
    }

    @Test func pausesGrowWithJitterAndStartAnewAfterASessionThatLasted() throws {
        var machine = machine(.connecting)
        for attempt in 1...12 {
            let paused = try #require(pause(machine.ended(.lost(), isExcused: false, at: now)))
            #expect(paused.attempt == attempt)
            let whole = min(Duration.milliseconds(500) * (1 << (attempt - 1)), .seconds(30))
            #expect(paused.pause >= whole / 2 && paused.pause <= whole)
            _ = machine.pauseEnded()
            _ = machine.tokenReceived("t")
        }
        // A server that ends each session at once gets its pauses.
        machine.connected(at: now)
        let short = try #require(pause(machine.ended(.lost(), isExcused: false, at: now + .seconds(5))))
        #expect(short.attempt == 13 && short.pause >= .seconds(15))
        _ = machine.pauseEnded()
        _ = machine.tokenReceived("t")
        machine.connected(at: now)
        let long = try #require(pause(machine.ended(.lost(), isExcused: false, at: now + .seconds(6))))
        #expect(long.attempt == 1 && long.pause <= .milliseconds(500))
    }

    @Test func aServerThatSendsClientsAwayIsObeyedWithinReason() throws {
        for _ in 0..<50 {
            var machine = machine(.up)
            let paused = try #require(
                pause(machine.ended(end(.serverStopping, away: .seconds(10)), isExcused: false, at: now)))
            #expect(paused.pause >= .seconds(10) && paused.pause <= .seconds(20))
            var patient = self.machine(.up)
            let long = try #require(
                pause(patient.ended(end(.serverUnavailable, away: .seconds(86_400)), isExcused: false, at: now)))
            #expect(long.pause >= .seconds(30) && long.pause <= .seconds(60))
        }
    }
}
