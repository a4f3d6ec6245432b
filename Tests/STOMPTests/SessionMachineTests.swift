import BelfryModel
import STOMP
import Testing

/// Every state × every event.
@Suite struct SessionMachineTests {
    enum State: String, CaseIterable { case awaitingConnect, connected, closing }

    /// What each event brings in the states awaitingConnect, connected, closing, in this order.
    static let table: [(event: String, outcomes: [String])] = [
        ("CONNECT", ["authenticate", "fail", "none"]),
        ("STOMP", ["authenticate", "fail", "none"]),
        ("SEND", ["fail", "send", "none"]),
        ("SUBSCRIBE", ["fail", "subscribe", "none"]),
        ("UNSUBSCRIBE", ["fail", "unsubscribe", "none"]),
        ("ACK", ["fail", "acknowledge", "none"]),
        ("NACK", ["fail", "refuse", "none"]),
        ("BEGIN", ["fail", "none", "none"]),
        ("COMMIT", ["fail", "fail", "none"]),
        ("ABORT", ["fail", "fail", "none"]),
        ("DISCONNECT", ["fail", "disconnect", "none"]),
        ("CONNECTED", ["fail", "fail", "none"]),
        ("MESSAGE", ["fail", "fail", "none"]),
        ("RECEIPT", ["fail", "fail", "none"]),
        ("ERROR", ["fail", "fail", "none"]),
        ("authenticated", ["open", "none", "none"]),
        ("authenticationFailed", ["fail", "none", "none"]),
        ("connectTimedOut", ["fail", "none", "none"]),
        ("decodingFailed", ["fail", "fail", "none"]),
        ("failed", ["fail", "fail", "none"]),
        ("connectionClosed", ["none", "none", "none"]),
    ]

    static func machine(in state: State) -> SessionMachine {
        var machine = SessionMachine(session: "session-1", server: "belfry/1.0")
        if state == .awaitingConnect { return machine }
        machine.connect(as: "alice")
        _ = machine.frameReceived(Frame(.subscribe, ["id": "0", "destination": "/topic/a", "ack": "client"]))
        if state == .closing { _ = machine.frameReceived(Frame(.disconnect)) }
        return machine
    }

    /// A frame of that command that is fine in itself.
    static func frame(_ command: Command) -> Frame {
        switch command {
        case .connect, .stomp: Frame(command, ["accept-version": "1.2"])
        case .subscribe: Frame(command, ["id": "1", "destination": "/user/queue/msg"])
        case .unsubscribe: Frame(command, ["id": "0"])
        case .ack, .nack: Frame(command, ["id": "1-7"])
        case .begin, .commit, .abort: Frame(command, ["transaction": "t"])
        case .send, .disconnect, .connected, .message, .receipt, .error: Frame(command)
        }
    }

    static func play(_ event: String, on machine: inout SessionMachine) -> SessionAction {
        if let command = Command(rawValue: event) { return machine.frameReceived(frame(command)) }
        switch event {
        case "authenticated": return machine.authenticated(user: "alice", for: ConnectRequest(headers: Headers()))
        case "authenticationFailed": return machine.authenticationFailed(.unauthorized, "no.")
        case "connectTimedOut": return machine.connectTimedOut()
        case "decodingFailed":
            guard let error = decode([Array("X\n".utf8)]).error else { return .none }
            return machine.decodingFailed(error)
        case "failed": return machine.failed(.slowConsumer, "Too slow.")
        case "connectionClosed":
            machine.connectionClosed()
            return .none
        default:
            Issue.record("unknown event \(event)")
            return .none
        }
    }

    @Test func tableHasEveryCommand() {
        #expect(Set(Self.table.map(\.event)).isSuperset(of: Command.allCases.map(\.rawValue)))
    }

    @Test(arguments: State.allCases) func everyEvent(_ state: State) {
        let column = State.allCases.firstIndex(of: state) ?? 0
        for (event, outcomes) in Self.table {
            var machine = Self.machine(in: state)
            let action = Self.play(event, on: &machine)
            let name = action.name
            #expect(name == outcomes[column], "\(event) in \(state)")
            let isOver = machine.isClosing
            let shouldBeOver =
                ["fail", "disconnect"].contains(name) || state == .closing || event == "connectionClosed"
            #expect(isOver == shouldBeOver, "\(event) in \(state)")
            if isOver {
                let afterwards = machine.frameReceived(Self.frame(.connect)).name
                #expect(afterwards == "none", "after \(event) in \(state)")
            }
        }
    }

    @Test func aTokenThatIsAcceptedTooLateOpensNothing() {
        var machine = Self.machine(in: .awaitingConnect)
        let request = machine.frameReceived(Self.frame(.connect)).connectRequest
        let late = machine.connectTimedOut().error
        #expect(late?.reason == .connectTimeout)
        let afterwards = request.map { machine.authenticated(user: "alice", for: $0).name }
        #expect(afterwards == "none")
    }

    @Test func errorsOfTheCallersOwn() {
        var machine = Self.machine(in: .connected)
        let error = machine.failed(.forbidden, "not yours.", command: .subscribe, receipt: "r").error
        #expect(error?.reason == .forbidden)
        #expect(error?.frame.headers["message"] == CloseReason.forbidden.text)
        #expect(error?.frame.headers["content-type"] == "text/plain")
        #expect(error?.frame.headers["receipt-id"] == "r")
        #expect(error?.body == "SUBSCRIBE: not yours.\n")

        machine = Self.machine(in: .awaitingConnect)
        let shutdown = machine.failed(.shuttingDown, CloseReason.shuttingDown.text).error
        #expect(shutdown?.reason == .shuttingDown)
        #expect(shutdown?.body == "This node is stopping; connect again in 1 s.\n")
        #expect(shutdown?.frame.headers["retry-after"] == "1")
    }

    @Test func errorOfTheDecoderIsPassedOn() {
        guard let fault = decode([Array("SEND\nreceipt:r9\nnonsense\n".utf8)]).error else {
            Issue.record("no error")
            return
        }
        var machine = Self.machine(in: .connected)
        let error = machine.decodingFailed(fault).error
        #expect(error?.reason == .protocolViolation)
        #expect(error?.frame.headers["receipt-id"] == "r9")
        #expect(error?.body == fault.message + "\n")
    }

    @Test func receiptForLater() {
        let machine = Self.machine(in: .connected)
        let receipt = machine.receipt(for: "77")
        #expect(receipt == Frame(.receipt, ["receipt-id": "77"]))
    }
}
