import Listening
import NIOHTTP1

/// Which requests of a connection of plain HTTP are taken, and what its peer is owed: requests may be sent before those
/// ahead of them are answered, and the answers have to keep their order.
struct RequestMachine: ~Copyable {
    /// What to do with a request's part.
    enum Intake {
        case pass
        /// The same, for a head whose peer waits to be told to send the body (RFC 9110, section 10.1.1).
        case passAndContinue(HTTPRequestHead)
        case passHead(HTTPRequestHead)
        case drop
        /// Answer so, and say farewell.
        case refuse(RequestRefusal)
    }

    /// What to do when something has ended or failed.
    enum Ending {
        case none
        case refuse(RequestRefusal)
        /// All is answered: close, and let the peer read what it was sent.
        case sayFarewell
        /// No answer is possible: close.
        case close
    }

    /// What is waited for, each for a time of its own.
    enum Wait: Equatable {
        /// The next request, for as long as the connection may be idle.
        case request
        /// The end of the request of that number.
        case end(of: Int)
        /// The end of an answer, so many being owed.
        case answer(owed: Int)
        /// The end of an answer that takes as long as it takes.
        case openEnd
        /// The peer, to close.
        case farewell
    }

    private enum Reading { case head, body, nothing }

    private let rules: RequestRules
    private let connection: AcceptedConnection
    private let requestsMax: Int
    private var reading = Reading.head
    private var requests = 0
    private var answersOwed = 0
    private var isAnswerBegun = false
    /// The answer to the last request takes as long as it takes.
    private var isOpenEnded = false
    /// The connection ends behind the answers that are owed.
    private var isEnding = false
    /// What the last request gets once those before it are answered.
    private var refusal: RequestRefusal?
    /// The last answer is written.
    private(set) var isLeaving = false
    /// The last request asked for an answer without its body.
    private(set) var isHead = false

    /// - Parameter requestsMax: the number of requests after which the connection is closed.
    init(rules: RequestRules, connection: AcceptedConnection, requestsMax: Int) {
        self.rules = rules
        self.connection = connection
        self.requestsMax = requestsMax
    }

    var wait: Wait {
        if isLeaving { return .farewell }
        if reading == .body { return .end(of: requests) }
        guard answersOwed > 0 else { return .request }
        return isOpenEnded ? .openEnd : .answer(owed: answersOwed)
    }

    // MARK: Requests

    mutating func headReceived(_ head: HTTPRequestHead) -> Intake {
        guard reading == .head, !isEnding, !isLeaving else {
            reading = .nothing
            return .drop
        }
        isHead = head.method == .HEAD
        switch rules.verdict(on: head, from: connection) {
        case .refuse(let refusal): return refused(refusal)
        case .upgrade(let handshake): return refused(.late(handshake.head.uri))
        case .serve(let head, let isLast):
            reading = .body
            requests += 1
            answersOwed += 1
            isEnding = isLast || requests >= requestsMax
            // In the midst of the answers before it there is no room for it; the peer sends the body after a while
            // anyway.
            let isAwaited = answersOwed == 1 && head.version == .http1_1 && Self.expectsContinue(head)
            return isAwaited ? .passAndContinue(head) : .passHead(head)
        }
    }

    mutating func bodyReceived() -> Intake { isLeaving || reading != .body ? .drop : .pass }

    mutating func endReceived() -> Intake {
        guard !isLeaving, reading == .body else { return .drop }
        reading = isEnding ? .nothing : .head
        isHead = false
        return .pass
    }

    private static func expectsContinue(_ head: HTTPRequestHead) -> Bool {
        head.headers[canonicalForm: "expect"].contains { $0.lowercased() == "100-continue" }
    }

    private mutating func refused(_ refusal: RequestRefusal) -> Intake {
        reading = .nothing
        isEnding = true
        guard answersOwed == 0 else {
            self.refusal = refusal
            return .drop
        }
        isLeaving = true
        return .refuse(refusal)
    }

    // MARK: Answers

    /// The answer that is under way takes as long as it takes: whoever gives it sees to its end.
    mutating func answerIsOpenEnded() { isOpenEnded = answersOwed > 0 }

    /// An answer's head is about to be written; returns whether it must say that the connection is closed behind it.
    mutating func answerBegan() -> Bool {
        isAnswerBegun = true
        guard answersOwed == 1 else { return false }
        // Nobody wants the rest of the request.
        if reading == .body { isEnding = true }
        return isEnding && refusal == nil
    }

    mutating func answerEnded() -> Ending {
        (isAnswerBegun, isOpenEnded) = (false, false)
        answersOwed = max(0, answersOwed - 1)
        guard answersOwed == 0, isEnding, !isLeaving else { return .none }
        isLeaving = true
        reading = .nothing
        return refusal.map(Ending.refuse) ?? .sayFarewell
    }

    // MARK: Failures

    /// The bytes are no HTTP; nothing more comes of them.
    mutating func requestFailed(_ refusal: RequestRefusal) -> Ending {
        guard !isLeaving else { return .none }
        switch reading {
        case .nothing: return .none
        case .head:
            guard case .refuse(let refusal) = refused(refusal) else { return .none }
            return .refuse(refusal)
        case .body:
            guard answersOwed == 1, !isAnswerBegun else { return .close }
            isLeaving = true
            return .refuse(refusal)
        }
    }

    /// What is waited for has not come in its time.
    mutating func timeIsOver() -> Ending {
        switch wait {
        case .request, .openEnd: .none
        case .end: requestFailed(.tooSlow)
        case .answer, .farewell: .close
        }
    }

    /// The node is being stopped: no further request is taken.
    mutating func stopRequested() { isEnding = true }
}
