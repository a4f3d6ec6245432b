import Bus
import NIOCore
import Testing

@testable import RedisBus

struct LinkMachineTests {
    private let ok = RESPValue.simpleString(ByteBuffer(string: "OK"))

    private func machine(_ url: String = "redis://u:p@h/2") throws -> LinkMachine {
        LinkMachine(configuration: try RedisConfiguration(url: url), clientName: "belfry-test")
    }

    private func name(_ action: LinkMachine.StartAction) -> String { "\(action)" }

    private func greetings(_ action: LinkMachine.ConnectedAction) -> [LinkMachine.Greeting]? {
        if case .send(let greetings) = action { greetings } else { nil }
    }

    private func closing(_ action: LinkMachine.ValueAction) -> BusError? {
        if case .close(let error) = action { error } else { nil }
    }

    private func retry(_ action: LinkMachine.EndAction) -> (wasUp: Bool, after: Duration)? {
        if case .retry(let wasUp, let pause) = action { (wasUp, pause) } else { nil }
    }

    @Test(arguments: [
        ("redis://h", 0), ("redis://:p@h", 1), ("redis://u:p@h/2", 2),
    ])
    func itIsUpWhenTheFirstCommandsAreAnswered(url: String, before: Int) throws {
        var machine = try machine(url)
        let started = name(machine.started())
        #expect(started == "connect")
        let sent = try #require(greetings(machine.connected()))
        #expect(sent.count == before + 1)
        #expect(sent.last == .setName("belfry-test"))
        for _ in 0..<before {
            let action = machine.valueReceived(ok)
            guard case .none = action else {
                Issue.record("\(action)")
                return
            }
        }
        let isUp = machine.isUp
        #expect(!isUp)
        guard case .up = machine.valueReceived(ok) else {
            Issue.record("it did not come up")
            return
        }
        let isUpNow = machine.isUp
        #expect(isUpNow)
        guard case .deliver(.integer(3)) = machine.valueReceived(.integer(3)) else {
            Issue.record("a value was not delivered")
            return
        }
    }

    @Test func theFirstCommandsAreWrittenInOrder() throws {
        let bytes = try LinkMachine.commands(for: [.auth(user: "u", password: "p"), .select(2), .setName("n")])
        #expect(
            String(buffer: bytes)
                == "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n"
                + "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nn\r\n")
        let short = try LinkMachine.commands(for: [.auth(user: nil, password: "p")])
        #expect(String(buffer: short) == "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n")
    }

    @Test(arguments: [
        ("redis://:p@h", "WRONGPASS invalid username-password pair", BusError.Code.refused, "user and password"),
        ("redis://h", "NOAUTH Authentication required.", .refused, "requires a password"),
        ("redis://:p@h", "ERR AUTH called without any password configured", .refused, "refused AUTH"),
        ("redis://h/2", "ERR DB index is out of range", .refused, "database 2"),
        ("redis://h", "DENIED Redis is running in protected mode", .refused, "protected mode"),
        ("redis://h", "ERR max number of clients reached", .refused, "clients"),
        ("redis://h", "LOADING Redis is loading the dataset in memory", .unavailable, "not ready"),
    ])
    func aRefusalBecomesASentence(url: String, text: String, code: BusError.Code, words: String) throws {
        var machine = try machine(url)
        _ = machine.started()
        _ = machine.connected()
        let error = closing(machine.valueReceived(.error(text)))
        #expect(error?.code == code)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("h:6379") == true)
    }

    @Test(arguments: ["NOPERM this user has no permissions to run 'client|setname'", "ERR unknown command 'CLIENT'"])
    func aConnectionMayGoWithoutAName(text: String) throws {
        var machine = try machine("redis://h")
        _ = machine.started()
        _ = machine.connected()
        guard case .up = machine.valueReceived(.error(text)) else {
            Issue.record("it did not come up")
            return
        }
    }

    @Test(arguments: [RESPValue.integer(1), .null, .array([]), .bulk("x")])
    func nonsenseBeforeItIsUpCloses(value: RESPValue) throws {
        var machine = try machine()
        _ = machine.started()
        _ = machine.connected()
        let error = closing(machine.valueReceived(value))
        #expect(error?.code == .protocolViolation)
    }

    @Test func pausesGrowAndStartAnewAfterItWasUp() throws {
        var machine = try machine("redis://h")
        var pauses: [Duration] = []
        for _ in 0..<10 {
            _ = machine.started()
            let ended = retry(machine.ended())
            #expect(ended?.wasUp == false)
            pauses.append(ended?.after ?? .zero)
        }
        #expect(pauses[0] <= .milliseconds(50))
        #expect(pauses[9] >= .seconds(1) && pauses[9] <= .seconds(2))
        _ = machine.started()
        _ = machine.connected()
        _ = machine.valueReceived(ok)
        let ended = retry(machine.ended())
        #expect(ended?.wasUp == true)
        #expect(ended?.after ?? .zero <= .milliseconds(50))
    }

    @Test func aClosedLinkDoesNothingMore() throws {
        var machine = try machine()
        _ = machine.started()
        machine.closed()
        guard case .close = machine.connected() else {
            Issue.record("a connection that came too late was kept")
            return
        }
        let ended = retry(machine.ended())
        #expect(ended == nil)
        let started = name(machine.started())
        #expect(started == "none")
        guard case .none = machine.valueReceived(ok) else {
            Issue.record("a value was taken")
            return
        }
    }

    @Test func aSecondStartDoesNothing() throws {
        var machine = try machine()
        let starts = [name(machine.started()), name(machine.started())]
        #expect(starts == ["connect", "none"])
    }
}
