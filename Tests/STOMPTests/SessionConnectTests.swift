import BelfryModel
import NIOCore
import STOMP
import Testing

@Suite struct SessionConnectTests {
    func connect(_ headers: Headers, command: Command = .connect) -> SessionAction {
        var machine = SessionMachine(session: "session-1", server: "belfry/1.0")
        return machine.frameReceived(Frame(command, headers))
    }

    @Test(
        arguments: [
            ("1.2", ProtocolVersion.v12), ("1.0,1.1,1.2", .v12), ("1.1, 1.2 ,2.0", .v12), ("1.2,1.1", .v12),
            ("1.1", .v11), ("1.0,1.1", .v11), ("1.0", .v10), ("2.0,1.0", .v10), (nil, .v10),
        ] as [(String?, ProtocolVersion)])
    func versionsThatAreServed(_ versions: String?, _ version: ProtocolVersion) {
        for command in [Command.connect, .stomp] {
            var machine = SessionMachine(session: "session-1", server: "belfry/1.0")
            let headers: Headers = versions.map { ["accept-version": $0] } ?? [:]
            guard let request = machine.frameReceived(Frame(command, headers)).connectRequest,
                case .open(let connected, _) = machine.authenticated(user: "alice", for: request)
            else {
                Issue.record("not opened")
                return
            }
            #expect(connected.headers["version"] == version.rawValue)
            let negotiated = machine.version
            #expect(negotiated == version)
        }
    }

    @Test(
        arguments: [
            ("1.0,1.1,1.2", .v11, .v11), (nil, .v12, .v12), ("1.0", .v12, .v10), ("1.1,1.2", .v10, .v12),
        ] as [(String?, ProtocolVersion, ProtocolVersion)])
    func theSubprotocolCountsWhereTheClientAcceptsIt(
        _ versions: String?, _ agreed: ProtocolVersion, _ version: ProtocolVersion
    ) {
        var machine = SessionMachine(session: "session-1", server: "belfry/1.0", agreedVersion: agreed)
        _ = machine.frameReceived(Frame(.connect, versions.map { ["accept-version": $0] } ?? [:]))
        let negotiated = machine.version
        #expect(negotiated == version)
    }

    @Test(arguments: ["", "1.20", "11.2", "1.2.1", "1. 2", ",", "2.0", "1.3,1.4"])
    func versionsThatAreNot(_ versions: String) {
        let error = connect(["accept-version": versions]).error
        #expect(error?.reason == .protocolViolation)
        #expect(error?.frame.headers["version"] == "1.0,1.1,1.2")
        #expect(error?.frame.headers["content-type"] == "text/plain")
        #expect(error?.frame.headers["message"] == "The protocol version is not supported.")
        #expect(
            error?.body == "Supported protocol versions are 1.0 1.1 1.2\n"
                + "CONNECT: name one of them in the header accept-version.\n")
    }

    /// "STOMP 1.0": `login: <username>`, with a blank.
    @Test func headersOfSTOMP10AreTrimmed() {
        let request = connect(["login": " alice", "passcode": " secret "]).connectRequest
        #expect(request?.headers["login"] == "alice" && request?.passcode == "secret")
        let later = connect(["accept-version": "1.2", "passcode": " secret "]).connectRequest
        #expect(later?.passcode == " secret ")
    }

    @Test(arguments: ["", "1", "1,", ",1", "1,2,3", "-1,0", "+1,0", "a,b", "1.5,2", "0, 0", "4294967296,0"])
    func heartBeatsThatAreRefused(_ value: String) {
        let error = connect(["accept-version": "1.2", "heart-beat": value]).error
        #expect(error?.reason == .protocolViolation)
        #expect(
            error?.body
                == "CONNECT: the header heart-beat must be two whole numbers of milliseconds, such as 10000,10000.\n")
    }

    @Test func connectedFrame() {
        var limits = Limits()
        limits.heartBeatMilliseconds = 10_000
        var machine = SessionMachine(session: "session-1", server: "belfry/1.0", limits: limits)
        let connect = Frame(.connect, ["accept-version": "1.2", "heart-beat": "20000,500"])
        guard let request = machine.frameReceived(connect).connectRequest,
            case .open(let frame, let agreement) = machine.authenticated(user: "alice", for: request)
        else {
            Issue.record("not opened")
            return
        }
        #expect(
            frame
                == Frame(
                    .connected,
                    [
                        "version": "1.2", "heart-beat": "10000,10000", "server": "belfry/1.0",
                        "session": "session-1", "user-name": "alice",
                    ]))
        #expect(agreement.inboundInterval == .seconds(20))
        #expect(agreement.outboundInterval == .seconds(10))
    }

    @Test func refusedConnect() {
        var machine = SessionMachine(session: "session-1", server: "belfry/1.0")
        _ = machine.frameReceived(Frame(.connect, ["accept-version": "1.2", "receipt": "r"]))
        let error = machine.authenticationFailed(.unauthorized, "the token's signature is not valid.").error
        #expect(error?.reason == .unauthorized)
        #expect(error?.frame.headers["message"] == "The token was refused.")
        #expect(error?.frame.headers["receipt-id"] == nil)
        #expect(error?.body == "CONNECT: the token's signature is not valid.\n")
    }

    @Test(
        arguments: [
            (["Authorization": "Bearer abc", "token": "t", "passcode": "p"], "abc"),
            (["authorization": "bearer abc"], "abc"),
            (["Authorization": "Basic abc", "token": "t"], "t"),
            (["Authorization": "Bearer   abc"], "abc"),
            (["Authorization": " Bearer abc \t"], "abc"),
            (["Authorization": "Bearer a b"], "a b"),
            (["Authorization": "abc", "token": "t"], "abc"),
            (["authorization": "\tabc "], "abc"),
            (["Authorization": "Bearer ", "token": "t"], "t"),
            (["Authorization": "Bearer   ", "passcode": "p"], nil),
            (["Authorization": "bearer", "token": "t"], "t"),
            (["Authorization": "Bearerabc", "token": "t"], "Bearerabc"),
            (["Authorization": "", "token": "", "passcode": "p"], nil),
            (["token": "t", "passcode": "p"], "t"),
            (["login": "alice", "passcode": "p"], nil),
            ([:], nil),
        ] as [([String: String], String?)])
    func tokens(_ headers: [String: String], _ token: String?) {
        var all: Headers = ["accept-version": "1.2"]
        for (name, value) in headers { all.append(name, value) }
        let request = connect(all).connectRequest
        #expect(request != nil)
        #expect(request?.bearerToken == token)
    }

    @Test func requestCarriesItsHeaders() {
        let request = connect([
            "accept-version": "1.2", "host": "example.org", "login": "alice", "passcode": "secret", "heart-beat": "1,2",
            "client": "demo",
        ]).connectRequest
        #expect(request?.login == "alice")
        #expect(request?.passcode == "secret")
        #expect(request?.heartBeat == HeartBeatOffer(canSendMilliseconds: 1, wantsMilliseconds: 2))
        #expect(request?.headers["client"] == "demo")
    }

    @Test func requestShowsNoSecrets() throws {
        let request = try #require(
            connect(["accept-version": "1.2", "passcode": "secret", "token": "secret"]).connectRequest)
        var dumped = ""
        dump(request, to: &dumped)
        for text in ["\(request)", String(reflecting: request), dumped] {
            #expect(!text.contains("secret"))
            #expect(text.contains("passcode"))
        }
    }
}
