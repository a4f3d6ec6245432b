import NIOCore
import STOMP
import Testing

@testable import BelfryClient

/// Every state with every event.
struct ConnectionMachineTests {
    enum Phase: CaseIterable { case opening, connecting, connected, failing, disconnecting, ended }

    private static let connectedFrame = Frame(
        .connected, ["version": "1.2", "heart-beat": "5000,7000", "user-name": "alice"])
    private static let errorFrame = Frame(
        .error, ["message": "This node is stopping; connect again in 1 s.", "retry-after": "1", "receipt-id": "q7"],
        body: ByteBuffer(string: "Later.\n"))

    private func machine(_ phase: Phase) -> ConnectionMachine {
        var machine = ConnectionMachine(
            host: "h", token: "t", heartBeat: HeartBeatOffer(canSendMilliseconds: 10_000, wantsMilliseconds: 4_000))
        guard phase != .opening else { return machine }
        _ = machine.opened()
        guard phase != .connecting else { return machine }
        _ = machine.frameReceived(Self.connectedFrame)
        switch phase {
        case .opening, .connecting, .connected: break
        case .failing: _ = machine.frameReceived(Self.errorFrame)
        case .disconnecting: _ = machine.disconnect()
        case .ended: _ = machine.ended(.lost())
        }
        return machine
    }

    private func command(_ action: ConnectionMachine.Action) -> Command? {
        if case .send(let frame) = action { frame.command } else { nil }
    }

    private func end(_ action: ConnectionMachine.Action) -> ConnectionEnd? {
        if case .end(let end) = action { end } else { nil }
    }

    private func isNone(_ action: ConnectionMachine.Action) -> Bool {
        if case .none = action { true } else { false }
    }

    @Test func connectSaysWhoAndHow() throws {
        var machine = machine(.opening)
        guard case .send(let frame) = machine.opened() else {
            Issue.record("nothing is sent")
            return
        }
        #expect(frame.command == .connect)
        #expect(frame.headers["accept-version"] == "1.2")
        #expect(frame.headers["host"] == "h")
        #expect(frame.headers["heart-beat"] == "10000,4000")
        #expect(frame.headers["Authorization"] == "Bearer t")
        var anonymous = ConnectionMachine(host: "h", token: nil, heartBeat: .none)
        guard case .send(let bare) = anonymous.opened() else {
            Issue.record("nothing is sent")
            return
        }
        #expect(bare.headers["Authorization"] == nil)
    }

    @Test(arguments: Phase.allCases)
    func theTransportOpens(phase: Phase) {
        var machine = machine(phase)
        let action = machine.opened()
        #expect(command(action) == (phase == .opening ? .connect : nil))
        #expect(phase == .opening || isNone(action))
    }

    @Test func connectedAgreesOnHeartBeats() {
        var machine = machine(.connecting)
        guard case .up(let headers, let agreement) = machine.frameReceived(Self.connectedFrame) else {
            Issue.record("it is not up")
            return
        }
        #expect(headers["user-name"] == "alice")
        // Each direction at the slower of what one side offers and the other wants.
        #expect(agreement.outboundInterval == .milliseconds(10_000))
        #expect(agreement.inboundInterval == .milliseconds(5_000))
        let isConnected = machine.isConnected
        #expect(isConnected)
    }

    @Test(arguments: Phase.allCases)
    func framesOfTheServers(phase: Phase) {
        for received in Command.allCases {
            var machine = machine(phase)
            var frame = Frame(received)
            if received == .connected { frame = Self.connectedFrame }
            if received == .receipt { frame.headers.append("receipt-id", "q1") }
            let action = machine.frameReceived(frame)
            switch (phase, received) {
            case (.connecting, .connected):
                if case .up = action {} else { Issue.record("\(action)") }
            case (.connected, .message):
                if case .deliver = action {} else { Issue.record("\(action)") }
            case (.connected, .receipt), (.disconnecting, .receipt):
                if case .answered("q1", _) = action {} else { Issue.record("\(action)") }
            case (.connecting, .error), (.connected, .error), (.disconnecting, .error):
                if case .awaitClose = action {} else { Issue.record("\(action)") }
            case (.connecting, _), (.connected, _):
                #expect(end(action)?.error.code == .protocolViolation, "\(phase) \(received)")
            case (.opening, _), (.failing, _), (.disconnecting, _), (.ended, _):
                #expect(isNone(action), "\(phase) \(received)")
            }
        }
    }

    @Test func anotherVersionIsRefused() {
        var machine = machine(.connecting)
        let action = machine.frameReceived(Frame(.connected, ["version": "1.1"]))
        #expect(end(action)?.error.code == .protocolViolation)
        #expect(end(action)?.error.message.contains("1.1") == true)
    }

    @Test(arguments: Phase.allCases)
    func aCloseFrame(phase: Phase) {
        var machine = machine(phase)
        let end = end(machine.closeReceived(code: 4001, reason: "The token was refused."))
        switch phase {
        case .opening, .connecting, .connected:
            #expect(end?.error.code == .tokenRefused && end?.error.message == "The token was refused.")
        case .failing:
            // The code is the Close frame's, the words those of the ERROR.
            #expect(end?.error.code == .tokenRefused)
            #expect(end?.error.message == "This node is stopping; connect again in 1 s. Later.")
            #expect(end?.away == .seconds(1) && end?.receipt == "q7")
        case .disconnecting: #expect(end?.error.code == .closed)
        case .ended: #expect(end == nil)
        }
        let isEnded = machine.isEnded
        #expect(isEnded)
        let again = machine.closeReceived(code: 1000, reason: "")
        #expect(isNone(again))
    }

    @Test(arguments: Phase.allCases)
    func theTransportEnds(phase: Phase) {
        var machine = machine(phase)
        let end = end(machine.ended(.lost()))
        switch phase {
        case .opening, .connecting, .connected: #expect(end?.error.code == .connectionLost)
        // Over TCP the ERROR's text alone tells.
        case .failing: #expect(end?.error.code == .serverStopping)
        case .disconnecting: #expect(end?.error.code == .closed)
        case .ended: #expect(end == nil)
        }
    }

    @Test(arguments: Phase.allCases)
    func theDeadlinePasses(phase: Phase) {
        var machine = machine(phase)
        let end = end(machine.deadlinePassed())
        switch phase {
        case .opening, .connecting: #expect(end?.error.code == .timedOut)
        case .failing: #expect(end?.error.code == .serverStopping)
        case .disconnecting: #expect(end?.error.code == .closed)
        case .connected, .ended: #expect(end == nil)
        }
    }

    @Test(arguments: Phase.allCases)
    func whatEndsItInAnyState(phase: Phase) throws {
        var silent = machine(phase)
        #expect(end(silent.heartBeatsMissed())?.error.code == (phase == .ended ? nil : .timedOut))
        var garbled = machine(phase)
        var decoder = FrameDecoder()
        var bytes = ByteBuffer(string: "NONSENSE\n\n\0")
        decoder.feed(&bytes)
        do throws(FrameError) {
            _ = try decoder.next()
            Issue.record("nonsense was read")
        } catch {
            #expect(end(garbled.decodingFailed(error))?.error.code == (phase == .ended ? nil : .protocolViolation))
        }
    }

    @Test(arguments: Phase.allCases)
    func theProgramWantsNoMore(phase: Phase) {
        var machine = machine(phase)
        let action = machine.disconnect()
        switch phase {
        case .opening, .connecting: #expect(end(action)?.error.code == .closed)
        case .connected:
            #expect(command(action) == .disconnect)
            let isConnected = machine.isConnected
            #expect(!isConnected)
            let receipt = machine.frameReceived(Frame(.receipt, ["receipt-id": "disconnect"]))
            #expect(end(receipt)?.error.code == .closed)
        case .failing: #expect(end(action)?.error.code == .serverStopping)
        case .disconnecting, .ended: #expect(isNone(action))
        }
    }

    @Test(arguments: Phase.allCases)
    func onlyMessagesWaitForTheProgram(phase: Phase) {
        let isReadAnyway = machine(phase).isReadAnyway
        #expect(isReadAnyway == (phase != .connected))
    }
}
