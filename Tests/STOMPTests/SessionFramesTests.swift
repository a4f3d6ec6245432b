import BelfryModel
import NIOCore
import STOMP
import Testing

@Suite struct SessionFramesTests {
    static func connected(limits: Limits = Limits()) -> SessionMachine {
        var machine = SessionMachine(session: "session-1", server: "belfry/1.0", limits: limits)
        machine.connect(as: "alice")
        return machine
    }

    // MARK: SUBSCRIBE

    @Test func subscribe() {
        var machine = Self.connected()
        let headers: Headers = [
            "id": "sub:0", "destination": "/user/queue/msg", "ack": "client-individual", "receipt": "r1",
            "last-message-id": "41", "prefetch-count": "7", "unread": "true",
        ]
        let request = machine.frameReceived(Frame(.subscribe, headers)).subscriptionRequest
        #expect(request?.subscription.id == "sub:0")
        #expect(request?.subscription.destination == .userQueue(name: "msg"))
        #expect(request?.subscription.ackMode == .clientIndividual)
        #expect(request?.subscription.number == 1)
        #expect(request?.subscription.escapedID == EscapedHeaderValue("sub:0"))
        #expect(request?.subscription.escapedDestination == EscapedHeaderValue("/user/queue/msg"))
        #expect(request?.lastMessageID == MessageID(rawValue: 41))
        #expect(request?.receipt == "r1")
        #expect(request?.subscription.prefetchCount == 7)
        #expect(request?.namesAckMode == true)
        #expect(request?.wantsUnread == true)
        let found = machine.subscription(number: 1)
        #expect(found == request?.subscription)
    }

    @Test func subscribeWithoutOptionalHeaders() {
        var machine = Self.connected()
        let request = machine.frameReceived(Frame(.subscribe, ["id": "0", "destination": "/topic/a"]))
            .subscriptionRequest
        #expect(request?.subscription.ackMode == .auto)
        #expect(request?.subscription.destination == .topic(name: "a"))
        #expect(request?.lastMessageID == nil)
        #expect(request?.receipt == nil)
        #expect(request?.subscription.prefetchCount == nil)
        #expect(request?.namesAckMode == false)
        #expect(request?.wantsUnread == false)
        #expect(request?.subscription.ackID(for: MessageID(rawValue: 5)) == nil)
    }

    @Test(
        arguments: [
            (["destination": "/topic/a"], "it lacks the header id, which names the subscription within the session."),
            (
                ["id": "", "destination": "/topic/a"],
                "it lacks the header id, which names the subscription within the session."
            ),
            (
                ["id": String(repeating: "x", count: 256), "destination": "/topic/a"],
                "the header id is over 255 bytes; choose a shorter one."
            ),
            (
                ["id": "0", "destination": "/topic/a"],
                "a subscription with the id '0' exists already; choose another id."
            ),
            (["id": "1"], "it lacks the header destination, such as /user/queue/msg or /topic/news."),
            (
                ["id": "1", "destination": "/queue/a"],
                "The destination '/queue/a' is not served here: subscribe to /user/queue/<name> or /topic/<name>."
            ),
            (
                ["id": "1", "destination": "/topic/a", "ack": "always"],
                "the header ack must be auto, client or client-individual."
            ),
            (
                ["id": "1", "destination": "/topic/a", "last-message-id": "-1"],
                "the header last-message-id must be a message-id that was received, or 0."
            ),
            (
                ["id": "1", "destination": "/topic/a", "prefetch-count": "0"],
                "the header prefetch-count must be a whole number of messages from 1 on."
            ),
            (
                ["id": "1", "destination": "/topic/a", "prefetch-count": "1234567890"],
                "the header prefetch-count must be a whole number of messages from 1 on."
            ),
            (
                ["id": "1", "destination": "/topic/a", "prefetch-count": "-1"],
                "the header prefetch-count must be a whole number of messages from 1 on."
            ),
            (
                ["id": "1", "destination": "/user/queue/a", "unread": "1"],
                "the header unread must be true or false."
            ),
            (
                ["id": "1", "destination": "/topic/a", "unread": "true"],
                "the header unread is for /user/queue/<name>: of a topic nobody counts what is unread."
            ),
        ] as [([String: String], String)])
    func subscribeThatDoesNotGo(_ headers: [String: String], _ sentence: String) {
        var machine = Self.connected()
        _ = machine.frameReceived(Frame(.subscribe, ["id": "0", "destination": "/topic/a"]))
        let all = Headers(headers.map { Header($0.key, $0.value) } + [Header("receipt", "r")])
        let error = machine.frameReceived(Frame(.subscribe, all)).error
        #expect(error?.reason == .protocolViolation)
        #expect(error?.frame.headers["receipt-id"] == "r")
        #expect(error?.body == "SUBSCRIBE: \(sentence)\n")
    }

    @Test func idsThatDifferOnlyInUnicodeCompositionAreTwo() {
        var machine = Self.connected()
        for id in ["\u{e9}", "e\u{301}"] {
            let action = machine.frameReceived(Frame(.subscribe, ["id": id, "destination": "/topic/a"])).name
            #expect(action == "subscribe")
        }
    }

    @Test func idOfTheLargestSize() {
        var machine = Self.connected()
        let id = String(repeating: "x", count: Subscription.idBytesMax)
        let action = machine.frameReceived(Frame(.subscribe, ["id": id, "destination": "/topic/a"])).name
        #expect(action == "subscribe")
    }

    @Test func asManySubscriptionsAsAllowedAndOneMore() {
        var limits = Limits()
        limits.subscriptionsMax = 2
        var machine = Self.connected(limits: limits)
        for id in ["0", "1"] {
            let action = machine.frameReceived(Frame(.subscribe, ["id": id, "destination": "/topic/a"])).name
            #expect(action == "subscribe")
        }
        _ = machine.frameReceived(Frame(.unsubscribe, ["id": "0"]))
        let again = machine.frameReceived(Frame(.subscribe, ["id": "0", "destination": "/topic/a"])).subscriptionRequest
        #expect(again?.subscription.number == 3)
        let error = machine.frameReceived(Frame(.subscribe, ["id": "2", "destination": "/topic/a"])).error
        #expect(error?.frame.headers["message"] == "Too many subscriptions.")
        #expect(
            error?.body
                == "SUBSCRIBE: the session has 2 subscriptions, and no more are allowed; UNSUBSCRIBE one first.\n")
    }

    // MARK: UNSUBSCRIBE

    @Test func unsubscribe() {
        var machine = Self.connected()
        let request = machine.frameReceived(Frame(.subscribe, ["id": "0", "destination": "/topic/a"]))
            .subscriptionRequest
        guard
            case .unsubscribe(let subscription, let receipt) = machine.frameReceived(
                Frame(.unsubscribe, ["id": "0", "receipt": "r"]))
        else {
            Issue.record("not unsubscribed")
            return
        }
        #expect(subscription == request?.subscription)
        #expect(receipt == "r")
        let rest = machine.subscriptions
        #expect(rest.isEmpty)
        let error = machine.frameReceived(Frame(.unsubscribe, ["id": "0"])).error
        #expect(error?.body == "UNSUBSCRIBE: there is no subscription with the id '0'.\n")
    }

    @Test func unsubscribeWithoutID() {
        var machine = Self.connected()
        let error = machine.frameReceived(Frame(.unsubscribe, ["destination": "/topic/a"])).error
        #expect(error?.body == "UNSUBSCRIBE: it lacks the header id, the one that SUBSCRIBE had.\n")
    }

    // MARK: ACK and NACK

    @Test(arguments: [Command.ack, .nack]) func acknowledge(_ command: Command) {
        var machine = Self.connected()
        let subscribe = Frame(.subscribe, ["id": "0", "destination": "/topic/a", "ack": "client"])
        _ = machine.frameReceived(subscribe)
        let action = machine.frameReceived(Frame(command, ["id": "1-7", "receipt": "r"]))
        #expect(action.name == (command == .ack ? "acknowledge" : "refuse"))
        #expect(
            action.ackRequest
                == AckRequest(subscription: 1, message: MessageID(rawValue: 7), receipt: "r"))
        _ = machine.frameReceived(Frame(.unsubscribe, ["id": "0"]))
        let late = machine.frameReceived(Frame(command, ["id": "1-7"])).ackRequest
        #expect(late?.message == MessageID(rawValue: 7))
    }

    @Test(arguments: [Command.ack, .nack])
    func acknowledgeThatDoesNotGo(_ command: Command) {
        let cases: [(Headers, String)] = [
            (["message-id": "7"], "it lacks the header id, which must be the value of the MESSAGE's header ack."),
            (["id": "7"], "the id '7' is not the value of an ack header of a MESSAGE of this session."),
            (["id": "2-7"], "the id '2-7' is not the value of an ack header of a MESSAGE of this session."),
            (["id": "1-7"], "the subscription has the ack mode auto, in which nothing is acknowledged."),
        ]
        for (headers, sentence) in cases {
            var machine = Self.connected()
            _ = machine.frameReceived(Frame(.subscribe, ["id": "0", "destination": "/topic/a"]))
            let error = machine.frameReceived(Frame(command, headers)).error
            #expect(error?.reason == .protocolViolation)
            #expect(error?.body == "\(command.rawValue): \(sentence)\n")
        }
    }

    // MARK: The others

    @Test func send() {
        var machine = Self.connected()
        let frame = Frame(
            .send, ["destination": "/app/x", "receipt": "r", "k": "v"], body: ByteBuffer(string: "body"))
        guard case .send(let request) = machine.frameReceived(frame) else {
            Issue.record("not handed on")
            return
        }
        #expect(request.destination == "/app/x" && request.receipt == "r" && request.headers["k"] == "v")
        #expect(String(buffer: request.body) == "body")
    }

    @Test func disconnect() {
        var machine = Self.connected()
        guard case .disconnect(let receipt) = machine.frameReceived(Frame(.disconnect, ["receipt": "77"])) else {
            Issue.record("not disconnected")
            return
        }
        #expect(receipt == Frame(.receipt, ["receipt-id": "77"]))
    }

    @Test(arguments: [
        (Command.begin, "it lacks the header transaction, which names the transaction within the session."),
        (.commit, "it lacks the header transaction, which names the transaction within the session."),
        (.abort, "it lacks the header transaction, which names the transaction within the session."),
        (.connect, "the session is connected already; open another connection for another session."),
        (.message, "only a server sends it."),
    ])
    func framesThatAreNotServed(_ command: Command, _ sentence: String) {
        var machine = Self.connected()
        let error = machine.frameReceived(Frame(command, ["receipt": "r"])).error
        #expect(error?.frame.headers["receipt-id"] == "r")
        #expect(error?.frame.headers["message"]?.isEmpty == false)
        #expect(error?.body == "\(command.rawValue): \(sentence)\n")
    }

    @Test func framesAtTheWrongTime() {
        var machine = SessionMachine(session: "session-1", server: "belfry/1.0")
        let early = machine.frameReceived(Frame(.subscribe)).error
        #expect(early?.body == "SUBSCRIBE: the first frame of a session must be CONNECT or STOMP.\n")
    }
}
