import BelfryModel
import NIOCore
import STOMP
import Testing

@Suite struct SessionTransactionTests {
    private static func connected(limits: Limits = Limits()) -> SessionMachine {
        var machine = SessionFramesTests.connected(limits: limits)
        _ = machine.frameReceived(Frame(.subscribe, ["id": "0", "destination": "/topic/a", "ack": "client"]))
        return machine
    }

    private static func frame(_ command: Command, _ headers: Headers = [:], in transaction: String = "t") -> Frame {
        var headers = headers
        headers.append("transaction", transaction)
        return Frame(command, headers)
    }

    @Test func commitHandsOnWhatTheTransactionHolds() {
        var machine = Self.connected()
        let names = [
            machine.frameReceived(Self.frame(.begin, ["receipt": "b"])).name,
            machine.frameReceived(Self.frame(.send, ["destination": "/topic/b"])).name,
            machine.frameReceived(Self.frame(.ack, ["id": "1-7", "receipt": "a"])).name,
            machine.frameReceived(Self.frame(.nack, ["id": "1-8"])).name,
        ]
        #expect(names == ["reply", "none", "reply", "none"])
        guard case .commit(let request) = machine.frameReceived(Self.frame(.commit, ["receipt": "c"])) else {
            Issue.record("not committed")
            return
        }
        #expect(request.transaction == "t" && request.receipt == "c")
        guard request.steps.count == 3, case .send(let send) = request.steps[0],
            case .acknowledge(let ack) = request.steps[1], case .refuse(let nack) = request.steps[2]
        else {
            Issue.record("other steps: \(request.steps)")
            return
        }
        #expect(send.destination == "/topic/b")
        #expect(ack.message == MessageID(rawValue: 7) && nack.message == MessageID(rawValue: 8))
        let again = machine.frameReceived(Self.frame(.commit)).error
        #expect(again?.body == "COMMIT: there is no open transaction 't'; BEGIN it first.\n")
    }

    @Test func abortForgetsWhatTheTransactionHolds() {
        var machine = Self.connected()
        _ = machine.frameReceived(Self.frame(.begin))
        _ = machine.frameReceived(Self.frame(.send, ["destination": "/topic/b"]))
        guard case .reply(let receipt) = machine.frameReceived(Self.frame(.abort, ["receipt": "r"])) else {
            Issue.record("no receipt")
            return
        }
        #expect(receipt.headers["receipt-id"] == "r")
        _ = machine.frameReceived(Self.frame(.begin))
        guard case .commit(let request) = machine.frameReceived(Self.frame(.commit)) else {
            Issue.record("not committed")
            return
        }
        #expect(request.steps.isEmpty)
    }

    @Test func transactionsAreToldApart() {
        var machine = Self.connected()
        for name in ["one", "two"] {
            _ = machine.frameReceived(Self.frame(.begin, in: name))
            _ = machine.frameReceived(Self.frame(.send, ["destination": "/topic/\(name)"], in: name))
        }
        guard case .commit(let request) = machine.frameReceived(Self.frame(.commit, in: "two")),
            case .send(let send)? = request.steps.first
        else {
            Issue.record("not committed")
            return
        }
        #expect(request.steps.count == 1 && send.destination == "/topic/two")
    }

    @Test(arguments: [
        (Command.begin, "t", "a transaction 't' is open already; COMMIT or ABORT it, or choose another name."),
        (
            .begin, String(repeating: "x", count: 256),
            "the header transaction is over 255 bytes; choose a shorter name."
        ),
        (.send, "other", "there is no open transaction 'other'; BEGIN it first."),
        (.abort, "other", "there is no open transaction 'other'; BEGIN it first."),
        (.commit, "", "it lacks the header transaction, which names the transaction within the session."),
    ])
    func namesThatDoNotGo(_ command: Command, _ name: String, _ sentence: String) {
        var machine = Self.connected()
        _ = machine.frameReceived(Self.frame(.begin))
        let error = machine.frameReceived(Self.frame(command, ["destination": "/topic/a"], in: name)).error
        #expect(error?.body == "\(command.rawValue): \(sentence)\n")
    }

    @Test func asManyAsAllowedAndOneMore() {
        var limits = Limits()
        limits.transactionsMax = 2
        var machine = Self.connected(limits: limits)
        for name in ["1", "2"] { _ = machine.frameReceived(Self.frame(.begin, in: name)) }
        _ = machine.frameReceived(Self.frame(.abort, in: "1"))
        let third = machine.frameReceived(Self.frame(.begin, in: "3")).name
        #expect(third == "none")
        let error = machine.frameReceived(Self.frame(.begin, in: "4")).error
        #expect(
            error?.body
                == "BEGIN: the session has 2 open transactions, and no more are allowed; COMMIT or ABORT one first.\n")
    }

    @Test func whatTheyHoldTogetherIsBounded() {
        var limits = Limits()
        limits.transactionBytesMax = 4_096
        var machine = Self.connected(limits: limits)
        let send = { (name: String) in
            Frame(
                .send, ["destination": "/topic/a", "transaction": name],
                body: ByteBuffer(repeating: UInt8(ascii: "1"), count: 1_024))
        }
        // What was committed does not count any more.
        for _ in 0..<10 {
            _ = machine.frameReceived(Self.frame(.begin))
            _ = machine.frameReceived(send("t"))
            let name = machine.frameReceived(Self.frame(.commit)).name
            #expect(name == "commit")
        }
        for name in ["1", "2", "3"] { _ = machine.frameReceived(Self.frame(.begin, in: name)) }
        let within = ["1", "2", "3"].map { machine.frameReceived(send($0)).name }
        #expect(within == ["none", "none", "none"])
        let error = machine.frameReceived(send("1")).error
        #expect(
            error?.body == "SEND: the open transactions hold over 4096 bytes together; COMMIT smaller ones.\n")
    }
}
