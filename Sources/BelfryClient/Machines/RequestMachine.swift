import DequeModule
import NIOCore
import STOMP

/// What the program asks the server, until it is answered: requests wait for a connection, and for their answers.
///
/// `Waiter` is whoever is told of a request's end.
struct RequestMachine<Waiter>: ~Copyable {
    /// What is asked, but for the number that its answer will have.
    struct Request {
        let frame: Frame
        /// By what it is answered: a reply to a command, or a receipt.
        let isCommand: Bool
        /// The same twice does no harm: it is asked again when the connection is lost before the answer.
        let isRepeatable: Bool
        /// It is for the present connection only, as an ACK is.
        var isOfConnection = false
        /// The client asks by itself: if the server ends the session for it, that is the end of more than a request.
        var isOwn = false
    }

    enum AskAction {
        case wait
        case send(Frame)
        case refuse(BelfryClientError)
    }

    private struct Entry {
        let request: Request
        let waiter: Waiter
        let deadline: NIODeadline
    }

    private let requestsMax: Int
    private var entries: [Int: Entry] = [:]
    /// Requests in the order of their deadlines, which is that of asking; answered ones are still in it.
    private var order = Deque<Int>()
    private var sent: Set<Int> = []
    private var isConnected = false
    private var lastNumber = 0

    /// - Parameter requestsMax: that wait at a time.
    init(requestsMax: Int) {
        self.requestsMax = requestsMax
    }

    /// Whether the server owes an answer.
    var isAnswerAwaited: Bool { !sent.isEmpty }

    /// Whether the queue of replies is to be subscribed to: a command has been asked.
    private(set) var needsReplies = false

    /// For tests: how many requests are remembered, answered ones included.
    var placesHeld: Int { order.count }

    /// When `expired` is to be called; `nil` while nothing waits.
    var nextDeadline: NIODeadline? { order.first.flatMap { entries[$0]?.deadline } }

    /// - Parameter number: of the request, to cancel it.
    mutating func asked(
        _ request: Request, by waiter: Waiter, until deadline: NIODeadline, number: inout Int
    ) -> AskAction {
        guard entries.count < requestsMax else {
            return .refuse(
                BelfryClientError(
                    .tooManyRequests, "\(requestsMax) requests wait for their answers; nothing was sent, try later."))
        }
        guard isConnected || !request.isOfConnection else { return .refuse(Self.lost) }
        lastNumber += 1
        number = lastNumber
        entries[number] = Entry(request: request, waiter: waiter, deadline: deadline)
        order.append(number)
        if request.isCommand { needsReplies = true }
        guard isConnected else { return .wait }
        sent.insert(number)
        return .send(Self.numbered(request, number))
    }

    /// There is a connection.
    ///
    /// - Returns: what is to be sent, in the order of asking.
    mutating func connected() -> [Frame] {
        isConnected = true
        return order.compactMap { number in
            guard let entry = entries[number] else { return nil }
            sent.insert(number)
            return Self.numbered(entry.request, number)
        }
    }

    /// The connection is gone.
    ///
    /// - Returns: whoever cannot know what became of the request.
    mutating func disconnected() -> [(Waiter, BelfryClientError)] {
        isConnected = false
        let lost = sent.sorted().filter { entries[$0]?.request.isRepeatable == false }
        sent.removeAll()
        return lost.compactMap { number in remove(number).map { ($0.waiter, Self.lost) } }
    }

    /// A RECEIPT came. That of a command says nothing that its reply does not.
    mutating func receiptReceived(_ receipt: String) -> Waiter? {
        guard let number = Self.number(receipt), entries[number]?.request.isCommand == false else { return nil }
        return remove(number)?.waiter
    }

    /// A reply came.
    ///
    /// - Parameter correlation: the header `correlation-id`.
    mutating func replyReceived(_ correlation: String) -> Waiter? {
        guard let number = Self.number(correlation), entries[number]?.request.isCommand == true else { return nil }
        return remove(number)?.waiter
    }

    /// The server ended the session for a request.
    ///
    /// - Parameter receipt: that it had asked for.
    mutating func refused(_ receipt: String) -> Waiter? {
        guard let number = Self.number(receipt), sent.contains(number), entries[number]?.request.isOwn == false else {
            return nil
        }
        return remove(number)?.waiter
    }

    /// Whoever asked wants to know no more.
    mutating func cancelled(_ number: Int) -> Waiter? {
        remove(number)?.waiter
    }

    /// Time has passed.
    ///
    /// - Returns: those that were not answered in time.
    mutating func expired(at now: NIODeadline) -> [Waiter] {
        var waiters: [Waiter] = []
        while let first = order.first, let entry = entries[first], entry.deadline <= now {
            _ = remove(first)
            waiters.append(entry.waiter)
        }
        return waiters
    }

    /// The client has ended: whoever still waits.
    mutating func closed() -> [Waiter] {
        isConnected = false
        let waiters = order.compactMap { entries[$0]?.waiter }
        (entries, order, sent) = ([:], [], [])
        return waiters
    }

    private mutating func remove(_ number: Int) -> Entry? {
        sent.remove(number)
        guard let entry = entries.removeValue(forKey: number) else { return nil }
        // Answers come in any order; one that is late holds the places of at most as many as may wait.
        if order.count > 2 * requestsMax { order.removeAll { entries[$0] == nil } }
        while let first = order.first, entries[first] == nil { order.removeFirst() }
        return entry
    }

    private static func numbered(_ request: Request, _ number: Int) -> Frame {
        var frame = request.frame
        frame.headers.append("receipt", "\(receiptPrefix)\(number)")
        if request.isCommand { frame.headers.append("correlation-id", "\(receiptPrefix)\(number)") }
        return frame
    }

    private static var receiptPrefix: String { "q" }

    private static func number(_ text: String) -> Int? {
        text.hasPrefix(receiptPrefix) ? Int(text.dropFirst(receiptPrefix.count)) : nil
    }

    private static var lost: BelfryClientError {
        BelfryClientError(.connectionLost, "The connection was lost before the server answered.")
    }
}
