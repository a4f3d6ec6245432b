import BelfryModel
import NIOCore
import STOMP
import Testing

/// What differs before STOMP 1.2.
@Suite struct SessionVersionTests {
    static func connected(_ version: ProtocolVersion) -> SessionMachine {
        var machine = SessionMachine(session: "session-1", server: "belfry/1.0")
        machine.connect(as: "alice", ["accept-version": version.rawValue])
        return machine
    }

    private static func subscribe(_ headers: Headers, on machine: inout SessionMachine) -> Subscription? {
        machine.frameReceived(Frame(.subscribe, headers)).subscriptionRequest?.subscription
    }

    @Test(arguments: [ProtocolVersion.v10, .v11])
    func messagesHaveNoAckHeader(_ version: ProtocolVersion) {
        var machine = Self.connected(version)
        let subscription = Self.subscribe(["id": "0", "destination": "/topic/a", "ack": "client"], on: &machine)
        #expect(subscription != nil)
        #expect(subscription?.ackID(for: MessageID(rawValue: 7)) == nil)
    }

    @Test(arguments: [Command.ack, .nack])
    func answersOfSTOMP11NameMessageAndSubscription(_ command: Command) {
        var machine = Self.connected(.v11)
        _ = Self.subscribe(["id": "s", "destination": "/topic/a", "ack": "client"], on: &machine)
        let request = machine.frameReceived(
            Frame(command, ["message-id": "7", "subscription": "s", "receipt": "r"])
        ).ackRequest
        #expect(request == AckRequest(subscription: 1, message: MessageID(rawValue: 7), receipt: "r"))
    }

    @Test(
        arguments: [
            (["subscription": "s"], "it lacks the header message-id, which must be that of the MESSAGE."),
            (
                ["subscription": "s", "message-id": "x"],
                "the header message-id 'x' is not that of a MESSAGE of this session."
            ),
            (["message-id": "7"], "it lacks the header subscription, which must be that of the MESSAGE."),
            (["message-id": "7", "subscription": "other"], "there is no subscription with the id 'other'."),
            (
                ["message-id": "7", "subscription": "auto"],
                "the subscription has the ack mode auto, in which nothing is acknowledged."
            ),
        ] as [([String: String], String)])
    func answersOfSTOMP11ThatDoNotGo(_ headers: [String: String], _ sentence: String) {
        var machine = Self.connected(.v11)
        _ = Self.subscribe(["id": "s", "destination": "/topic/a", "ack": "client"], on: &machine)
        _ = Self.subscribe(["id": "auto", "destination": "/topic/a"], on: &machine)
        let error = machine.frameReceived(Frame(.ack, Headers(headers.map { Header($0.key, $0.value) }))).error
        #expect(error?.body == "ACK: \(sentence)\n")
    }

    @Test func anAnswerToASubscriptionThatHasEndedIsNoFault() {
        var machine = Self.connected(.v11)
        _ = Self.subscribe(["id": "s", "destination": "/topic/a", "ack": "client"], on: &machine)
        _ = machine.frameReceived(Frame(.unsubscribe, ["id": "s"]))
        let late = machine.frameReceived(Frame(.ack, ["message-id": "7", "subscription": "s"])).ackRequest
        #expect(late?.subscription == 0)
    }

    @Test func inSTOMP10AnIDMayBeLeftOut() {
        var machine = Self.connected(.v10)
        let nameless = Self.subscribe(["destination": "/topic/a", "ack": "client"], on: &machine)
        #expect(nameless?.id == nil && nameless?.escapedID == nil)
        let other = Self.subscribe(["destination": "/topic/b"], on: &machine)
        #expect(other?.number == 2)
        let request = machine.frameReceived(Frame(.ack, ["message-id": "7"])).ackRequest
        #expect(request == AckRequest(subscription: nil, message: MessageID(rawValue: 7), receipt: nil))
        guard
            case .unsubscribe(let ended, nil) = machine.frameReceived(
                Frame(.unsubscribe, ["destination": "/topic/a"]))
        else {
            Issue.record("not unsubscribed")
            return
        }
        #expect(ended == nameless)
    }

    @Test func twoNamelessSubscriptionsToOneDestinationCouldNotBeToldApart() {
        var machine = Self.connected(.v10)
        _ = Self.subscribe(["destination": "/topic/a"], on: &machine)
        let error = machine.frameReceived(Frame(.subscribe, ["destination": "/topic/a"])).error
        #expect(error?.body == "SUBSCRIBE: there is a subscription to this destination already; give each an id.\n")
    }

    @Test func inSTOMP10NothingIsToBeAcknowledgedInModeAuto() {
        var machine = Self.connected(.v10)
        _ = Self.subscribe(["destination": "/topic/a"], on: &machine)
        let error = machine.frameReceived(Frame(.ack, ["message-id": "7"])).error
        #expect(error?.body == "ACK: the subscription has the ack mode auto, in which nothing is acknowledged.\n")
    }

    @Test func namelessIsForSTOMP10Only() {
        var machine = Self.connected(.v11)
        let error = machine.frameReceived(Frame(.subscribe, ["destination": "/topic/a"])).error
        #expect(error?.body == "SUBSCRIBE: it lacks the header id, which names the subscription within the session.\n")
    }

    @Test func nackCameWithSTOMP11() {
        var machine = Self.connected(.v10)
        let error = machine.frameReceived(Frame(.nack, ["message-id": "7"])).error
        #expect(error?.body == "NACK: STOMP 1.0 has no NACK; it came with 1.1.\n")
    }

    @Test func heartBeatsCameWithSTOMP11() {
        for (version, interval) in [(ProtocolVersion.v10, nil), (.v11, TimeAmount.seconds(10))] {
            var machine = SessionMachine(session: "session-1", server: "belfry/1.0")
            let headers: Headers = ["accept-version": version.rawValue, "heart-beat": "10000,10000"]
            guard let request = machine.frameReceived(Frame(.connect, headers)).connectRequest,
                case .open(let connected, let agreement) = machine.authenticated(user: "alice", for: request)
            else {
                Issue.record("not opened")
                return
            }
            #expect(connected.headers["heart-beat"] == (interval == nil ? "0,0" : "10000,10000"))
            #expect(agreement.inboundInterval == interval && agreement.outboundInterval == interval)
        }
    }

    @Test func idsAreEscapedAsTheVersionHasIt() {
        for (version, escaped) in [(ProtocolVersion.v10, "a:b\\c"), (.v11, "a\\cb\\\\c"), (.v12, "a\\cb\\\\c")] {
            var machine = Self.connected(version)
            let subscription = Self.subscribe(["id": "a:b\\c", "destination": "/topic/a"], on: &machine)
            var bytes = ByteBuffer()
            OutgoingMessage(
                subscription: subscription?.escapedID, destination: EscapedHeaderValue("/topic/a"),
                messageID: MessageID(rawValue: 1), ackID: nil, redelivered: false, headerLines: ByteBuffer(),
                body: ByteBuffer()
            ).write(into: &bytes)
            #expect(String(buffer: bytes).hasPrefix("MESSAGE\nsubscription:\(escaped)\nmessage-id:1\n"))
        }
    }

    @Test func aMessageWithoutASubscriptionsID() {
        let message = OutgoingMessage(
            subscription: nil, destination: EscapedHeaderValue("/topic/a"), messageID: MessageID(rawValue: 1),
            ackID: nil, redelivered: false, headerLines: ByteBuffer(), body: ByteBuffer(string: "1"))
        var bytes = ByteBuffer()
        message.write(into: &bytes)
        #expect(bytes.readableBytes == message.byteCount)
        #expect(String(buffer: bytes).hasPrefix("MESSAGE\nmessage-id:1\ndestination:/topic/a\n"))
    }

    @Test func finishedHeaderLinesAreEscapedAnew() {
        let lines = ByteBuffer(string: "a\\cb:x\\ny\\r\\c\\\\z\ntraceparent:00-1\n")
        #expect(HeaderLines.converted(lines, to: .v12) == lines)
        #expect(
            String(buffer: HeaderLines.converted(lines, to: .v11)) == "a\\cb:x\\ny \\c\\\\z\ntraceparent:00-1\n")
        #expect(String(buffer: HeaderLines.converted(lines, to: .v10)) == "traceparent:00-1\n")
        #expect(HeaderLines.converted(ByteBuffer(string: "no colon\n\\q:1\n"), to: .v11).readableBytes == 0)
    }

    @Test func theDecoderTrimsHeadersOfSTOMP10Only() throws {
        for (version, value) in [(ProtocolVersion.v10, "/topic/a"), (.v11, " /topic/a "), (.v12, " /topic/a ")] {
            var decoder = FrameDecoder(version: version)
            var bytes = ByteBuffer(string: "SEND\ndestination : /topic/a \n\n\0")
            if version != .v10 { bytes = ByteBuffer(string: "SEND\ndestination: /topic/a \n\n\0") }
            decoder.feed(&bytes)
            guard case .frame(let frame)? = try decoder.next() else {
                Issue.record("no frame")
                return
            }
            #expect(frame.headers["destination"] == value)
        }
    }
}
