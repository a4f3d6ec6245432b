import BelfryModel
import NIOCore
import NIOEmbedded
import STOMP
import Testing

@testable import BelfryClient

/// A connection on a channel of memory, with a clock of the test's.
private final class Bench: ClientConnectionDelegate {
    let channel = EmbeddedChannel()
    let budget: ReadingBudget
    private(set) var connection: ClientConnection?
    private(set) var messages: [String] = []
    private(set) var receipts: [String] = []
    private(set) var connects = 0
    private(set) var end: ConnectionEnd?
    /// Reads that reached the socket.
    var reads: Int { counter.count }
    private let counter = ReadCounter()

    init(heartBeat: Duration = .seconds(10), bufferedMessagesMax: Int = 2) throws {
        budget = ReadingBudget(
            messagesMax: bufferedMessagesMax, bytesMax: 1_000_000, eventLoop: channel.embeddedEventLoop)
        var configuration = BelfryClient.Configuration()
        configuration.heartBeat = heartBeat
        configuration.messageBytesMax = 1_000
        let connection = ClientConnection(
            number: 1, address: try ServerAddress(parsing: "stomp://h"), token: "t", configuration: configuration,
            budget: budget, eventLoop: channel.embeddedEventLoop, delegate: self)
        self.connection = connection
        try channel.pipeline.syncOperations.addHandler(counter)
        try connection.attach(to: channel)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    func connected(_ headers: Headers, _ connection: ClientConnection) { connects += 1 }
    func messageReceived(_ frame: Frame) { messages.append(String(buffer: frame.body)) }
    func receiptReceived(_ receipt: String, _ headers: Headers) { receipts.append(receipt) }
    func ended(_ end: ConnectionEnd, _ connection: ClientConnection) { self.end = end }

    func receive(_ text: String) throws {
        guard end == nil else { return }
        try channel.writeInbound(ByteBuffer(string: text))
    }

    /// What was written since the last look.
    func written() throws -> String {
        channel.embeddedEventLoop.run()
        var text = ""
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }

    func connect(heartBeat: String = "0,0") throws {
        try receive("CONNECTED\nversion:1.2\nheart-beat:\(heartBeat)\n\n\0")
        _ = try written()
    }
}

private final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private(set) var count = 0
    func read(context: ChannelHandlerContext) {
        count += 1
        context.read()
    }
}

struct ClientConnectionTests {
    private let message = "MESSAGE\nsubscription:s1\nmessage-id:1\ndestination:/d\n\nhello\0"

    @Test func itConnectsAndDeliversHoweverTheBytesAreCut() throws {
        let all = "CONNECTED\nversion:1.2\n\n\0\n\(message)RECEIPT\nreceipt-id:q1\n\n\0\n"
        for cut in 0...all.utf8.count {
            let bench = try Bench()
            #expect(try bench.written().hasPrefix("CONNECT\naccept-version:1.2\nhost:h\n"))
            try bench.receive(String(decoding: all.utf8.prefix(cut), as: UTF8.self))
            try bench.receive(String(decoding: all.utf8.dropFirst(cut), as: UTF8.self))
            #expect(bench.connects == 1 && bench.messages == ["hello"] && bench.receipts == ["q1"], "cut at \(cut)")
        }
    }

    @Test func nothingIsSentBeforeItIsConnectedNorAfterDISCONNECT() throws {
        let bench = try Bench()
        _ = try bench.written()
        bench.connection?.send(Frame(.ack, ["id": "1"]))
        #expect(try bench.written() == "")
        try bench.connect()
        bench.connection?.send(Frame(.ack, ["id": "1"]))
        bench.connection?.send(Frame(.ack, ["id": "2"]))
        #expect(try bench.written() == "ACK\nid:1\n\n\0ACK\nid:2\n\n\0")
        bench.connection?.disconnect()
        #expect(try bench.written() == "DISCONNECT\nreceipt:disconnect\n\n\0")
        bench.connection?.send(Frame(.ack, ["id": "3"]))
        #expect(try bench.written() == "")
        try bench.receive("RECEIPT\nreceipt-id:disconnect\n\n\0")
        #expect(bench.end?.error.code == .closed)
        #expect(!bench.channel.isActive)
    }

    @Test func aServerThatDoesNotAnswerIsGivenUp() throws {
        let bench = try Bench()
        bench.channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        #expect(bench.end == nil)
        bench.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(bench.end?.error.code == .timedOut)
        let leaving = try Bench()
        try leaving.connect()
        leaving.connection?.disconnect()
        leaving.channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(leaving.end?.error.code == .closed)
    }

    @Test func anErrorWaitsForItsCloseFrame() throws {
        let bench = try Bench()
        try bench.receive("ERROR\nmessage:The token was refused.\n\nCONNECT: it is forged.\n\0")
        #expect(bench.end == nil)
        bench.channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(bench.end?.error.code == .tokenRefused)
        #expect(bench.end?.error.message == "The token was refused. CONNECT: it is forged.")
    }

    @Test(arguments: ["NONSENSE\n\n\0", "MESSAGE\nx\n\n\0", "MESSAGE\ncontent-length:1001\n\n"])
    func whatIsNoSTOMPOrTooLargeEndsIt(text: String) throws {
        let bench = try Bench()
        try bench.connect()
        try bench.receive(message + text + message)
        #expect(bench.messages == ["hello"])
        #expect(bench.end?.error.code == (text.contains("length") ? .tooLarge : .protocolViolation))
        #expect(!bench.channel.isActive)
    }

    // MARK: Back-pressure

    @Test func theSocketIsNotReadWhileMessagesWait() throws {
        let bench = try Bench(bufferedMessagesMax: 2)
        try bench.connect()
        let before = bench.reads
        bench.channel.read()
        #expect(bench.reads == before + 1)
        for _ in 0..<3 { bench.budget.buffered(bytes: 10) }
        bench.channel.read()
        #expect(bench.reads == before + 1, "the socket's buffer fills up instead")
        bench.budget.taken(messages: 1, bytes: 10)
        bench.channel.embeddedEventLoop.run()
        #expect(bench.reads == before + 1, "it reads on at half")
        bench.budget.taken(messages: 1, bytes: 10)
        bench.channel.embeddedEventLoop.run()
        #expect(bench.reads == before + 2)
    }

    @Test func anAwaitedAnswerOrTheEndIsReadAllTheSame() throws {
        let bench = try Bench(bufferedMessagesMax: 2)
        for _ in 0..<3 { bench.budget.buffered(bytes: 10) }
        let before = bench.reads
        bench.channel.read()
        #expect(bench.reads == before + 1, "CONNECTED is no message")
        try bench.connect()
        bench.channel.read()
        let held = bench.reads
        bench.budget.answerAwaited(true)
        bench.channel.embeddedEventLoop.run()
        #expect(bench.reads == held + 1)
        bench.budget.answerAwaited(false)
        bench.channel.read()
        #expect(bench.reads == held + 1)
        bench.connection?.disconnect()
        #expect(bench.reads == held + 2)
    }

    // MARK: Heart-beats

    @Test func heartBeatsGoOutAlsoWhileNothingIsRead() throws {
        let bench = try Bench(heartBeat: .seconds(10), bufferedMessagesMax: 1)
        try bench.connect(heartBeat: "10000,10000")
        for _ in 0..<2 { bench.budget.buffered(bytes: 10) }
        for _ in 0..<10 {
            bench.channel.embeddedEventLoop.advanceTime(by: .seconds(9))
            #expect(try bench.written() == "\n")
        }
        #expect(bench.end == nil, "what is not read tells nothing of the server")
        bench.budget.taken(messages: 2, bytes: 20)
        bench.channel.embeddedEventLoop.advanceTime(by: .seconds(30))
        #expect(bench.end?.error.code == .timedOut)
    }

    @Test func aSilentServerIsGivenUpAndAnyByteIsASignOfLife() throws {
        let bench = try Bench(heartBeat: .seconds(10))
        try bench.connect(heartBeat: "10000,0")
        for _ in 0..<5 {
            bench.channel.embeddedEventLoop.advanceTime(by: .seconds(15))
            try bench.receive("\n")
        }
        #expect(bench.end == nil)
        bench.channel.embeddedEventLoop.advanceTime(by: .seconds(21))
        #expect(bench.end?.error.code == .timedOut)
        #expect(try bench.written() == "", "the server wants none")
    }
}
